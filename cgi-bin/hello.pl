#!/usr/bin/env perl
# A page in Perl, without a module from outside. Try /cgi-bin/hello.pl?name=Leda.

use strict;
use warnings;

my %query = map { decode($_) } map { my ($name, $value) = split /=/, $_, 2; ($name, $value // '') }
    grep { /^[^=]/ } split /&/, $ENV{QUERY_STRING} // '';
my $name = escape($query{name} // 'world');

print "Content-Type: text/html; charset=utf-8\n\n";
print qq{<!doctype html><html lang="en"><title>Hello</title><p>Hello, $name!\n};

# Undoes what a form does to its values.
sub decode {
    my ($text) = @_;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/eg;
    return $text;
}

# What a client sent goes into a page escaped, always.
sub escape {
    my ($text) = @_;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;', "'" => '&#39;');
    $text =~ s/([&<>"'])/$entity{$1}/g;
    return $text;
}
