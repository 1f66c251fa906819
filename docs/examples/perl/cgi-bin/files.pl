#!/usr/bin/perl
# POST a file as `file`, GET ?name=NAME to have it back, GET for the list. A cookie counts the uploads.
use strict;
use warnings;
use CGI;

my $folder = $ENV{UPLOADS};
my $cgi = CGI->new;
binmode STDOUT;

if ($cgi->request_method eq 'POST') {
    my $upload = $cgi->upload('file');
    my $name = $cgi->param('file') // '';
    if (!$upload || $name !~ /\A[\w][\w. -]*\z/) {
        print $cgi->header(-type => 'text/plain', -status => '400 Bad Request'), "a file is wanted\n";
        exit;
    }
    open my $out, '>:raw', "$folder/$name" or die "$folder/$name: $!";
    my $bytes = 0;
    while (my $count = read $upload, my $part, 65536) {
        print {$out} $part;
        $bytes += $count;
    }
    close $out or die "$folder/$name: $!";
    my $count = ($cgi->cookie('uploads') // 0) + 1;
    my $cookie = $cgi->cookie(-name => 'uploads', -value => $count, -httponly => 1);
    print $cgi->header(-type => 'text/plain', -status => '201 Created', -cookie => $cookie);
    print "$name $bytes\n";
} elsif (defined(my $name = $cgi->param('name'))) {
    if ($name !~ /\A[\w][\w. -]*\z/ || !open my $in, '<:raw', "$folder/$name") {
        print $cgi->header(-type => 'text/plain', -status => '404 Not Found'), "no such file\n";
    } else {
        print $cgi->header(-type => 'application/octet-stream', -attachment => $name, -Content_length => -s $in);
        print while read $in, $_, 65536;
    }
} else {
    print $cgi->header('text/plain');
    opendir my $names, $folder or die "$folder: $!";
    print map { "$_\n" } sort grep { !/^\./ } readdir $names;
}
