<?php
// A front controller: every path that no file has comes here.
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/old') {
    header('Location: /new', true, 301);
    exit;
}
if ($path === '/missing') http_response_code(404);
header('Content-Type: text/plain; charset=utf-8');
echo "path $path\n";
echo 'query ', $_SERVER['QUERY_STRING'], "\n";
echo 'visits ', $_SESSION['visits'], "\n";
