<?php
// Takes files; tells their names, sizes and sums.
header('Content-Type: text/plain; charset=utf-8');
echo 'note ', $_POST['note'] ?? '', "\n";
foreach ($_FILES as $file) {
    if ($file['error'] !== UPLOAD_ERR_OK) {
        http_response_code(400);
        echo 'error ', $file['error'], "\n";
        continue;
    }
    echo $file['name'], ' ', $file['size'], ' ', hash_file('sha256', $file['tmp_name']), "\n";
}
