#!/usr/bin/env perl
# Prints its environment, arguments, folder and input length as key=value.
print "Content-Type: text/plain; charset=utf-8\n\n";
print "$_=$ENV{$_}\n" for sort keys %ENV;
print "argv$_=$ARGV[$_ - 1]\n" for 1 .. @ARGV;
use Cwd;
print 'cwd=', getcwd, "\n";
my $bytes = 0;
while (my $count = read STDIN, my $chunk, 65536) { $bytes += $count }
print "input=$bytes\n";
