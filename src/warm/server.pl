# The fork server for Perl scripts: started once, forks a child for each request.
#
# It reads no byte of a request. Its children wait for one, each on its own, at a unix socket; whoever gets one becomes the
# script. So nothing of a request is ever in the memory from which the next child is forked. What the server does learn is
# which scripts there are: it loads beforehand what they use.
#
# All of it runs while this program is still being read. A child puts the script in the place of what is left to read: so the
# script is Perl's main program in all it can tell (caller, DATA, __FILE__, its first line).
#
# It loads no module, not even to know a constant: each would be in the memory of every child, and looked through when it ends
# (with POSIX a child takes half as long again). So the numbers of Linux stand here, and `syscall` does what Perl has no word for.
#
# Its standard input is its own text and then its life line: at its end the server ends. `control.ts` reads its standard
# output, `job.ts` writes its arguments and what its children read.
BEGIN {
  package Pollux::Warm;

  # With -w the script is warned, not this.
  my $warns;
  BEGIN { ($warns, $^W) = ($^W, 0) }
  # What Perl itself has loaded: every script finds it.
  my %innate = %INC;
  # Linux: <sys/socket.h>, <fcntl.h>, <time.h>, <sys/wait.h>, <errno.h>.
  my ($AF_UNIX, $SOCK_STREAM, $SOL_SOCKET, $SO_RCVTIMEO, $MSG_PEEK, $MSG_DONTWAIT) = (1, 1, 1, 20, 2, 64);
  my ($O_CLOEXEC, $CLOCK_MONOTONIC, $WNOHANG, $EINTR) = (0x80000, 1, 1, 4);

  # How many children wait for a request; once there are fewer than half as many, they are made up at once: what the server
  # writes to between two forks is copied, page by page.
  my $IDLE_MAX = 6;
  # How many scripts are remembered, and how much of one is looked at, in bytes.
  my $SCRIPTS_MAX = 1024;
  my $SCRIPT_BYTES_MAX = 1 << 20;
  # The longest notice of a child, so that it is written in one piece (PIPE_BUF).
  my $NOTICE_MAX = 4000;
  # How much of a child's standard error is taken at once, and how long it has to wait then, in seconds.
  my $ERRORS_BYTES = 65536;
  my $ERRORS_PAUSE = 0.05;
  # How long the trial of a module may take, in seconds.
  my $TRIAL_SECONDS = 20;
  # How often it is looked whether modules have changed on disk, in seconds, while requests come.
  my $LOOK_SECONDS = 1;
  # How long it waits when it cannot fork, or to no end, in seconds.
  my $REST = 0.1;
  # How often it looks for children that have ended or are to leave, in seconds: their signals can come a moment too early.
  my $TICK = 0.02;
  # How often a waiting child looks whether its server is still there, in seconds.
  my $ORPHAN_SECONDS = 2;
  # The environment's first variable: the room in which a child writes by what its request is known.
  my $ROOM = 'POLLUX_WARM';

  # Modules that look at the script, or do something for all, when they are loaded.
  my $NEVER = qr/^(?:lib|FindBin|CGI::Carp|Carp::Always|diagnostics|sigtrap|local::lib|if|open|encoding|autouse|base|parent
    |fields|threads.*|forks.*|Test::.*|B|B::.*|O|Devel::.*|Coro.*|AnyEvent.*)$/x;

  my (%settings, $pid, $control, $null, $listener, @notices, $rsfp, $room);
  # Loaded here: path on disk by its name in %INC; its state then; folders of the system and those before them.
  my (%stamps, %installed, @before);
  # Standard error's reading end by pid; when it is read again.
  my (%errors, %paused);
  my (%idle, %leaving, %seen, %tried, @waiting, $trial);
  my ($looked, $rest_until, $retired, $has_life) = (0, 0, 0, 1);

  # The numbers of system calls, which `programs.ts` knows.
  my ($SYS_dup3, $SYS_setsid, $SYS_exit_group, $SYS_clock_gettime);

  # Seconds that no clock's change touches.
  sub now {
    my $time = "\0" x 16;
    syscall $SYS_clock_gettime, $CLOCK_MONOTONIC, $time;
    my ($seconds, $nanoseconds) = unpack 'q q', $time;
    return $seconds + $nanoseconds / 1e9;
  }

  sub become_descriptor {
    my ($handle, $fd, $flags) = @_;
    syscall $SYS_dup3, fileno $handle, $fd, $flags // 0;
  }

  # Ends at once, without what modules have to do at the end.
  sub leave_now { syscall $SYS_exit_group, $_[0] // 0 }

  sub is_ready {
    my ($handle) = @_;
    my $bits = '';
    vec($bits, fileno $handle, 1) = 1;
    return 0 < select $bits, undef, undef, 0;
  }

  sub write_all {
    my ($handle, $data) = @_;
    my $at = 0;
    while ($at < length $data) {
      my $count = syswrite $handle, $data, length($data) - $at, $at;
      if (!defined $count) {
        next if $! == $EINTR;
        return 0;
      }
      $at += $count;
    }
    return 1;
  }

  sub say_that {
    my ($kind, $text, $of) = @_;
    write_all($control, sprintf("%s %d %d\n", $kind, $of // 0, length $text) . $text) or leave_now(0);
  }

  # -- The server --------------------------------------------------------------------------------------------------------

  sub start {
    ($SYS_dup3, $SYS_setsid, $SYS_exit_group, $SYS_clock_gettime) = splice @ARGV, 0, 4;
    @settings{qw(listen input nice umask)} = @ARGV[0 .. 3];
    my $count = $ARGV[8];
    $settings{flags} = [@ARGV[9 .. 8 + $count]];
    my @preload = grep { length } @ARGV[9 + $count .. $#ARGV];
    @ARGV = ();
    $pid = $$;
    open $control, '>&', \*STDOUT or die;
    open $null, '+<', '/dev/null' or die;
    # A module that prints when it is loaded shall not speak for the server.
    become_descriptor($null, 1);
    syscall $SYS_setsid;
    $rsfp = find_program();
    $room = find_room();
    delete $ENV{$ROOM};
    my %own = map { $_ => 1 } split /:/, $ENV{PERL5LIB} // '';
    @before = grep { !ref && $own{$_} } @INC;
    $installed{$_} = 1 for grep { !ref && !$own{$_} && m{^/} } @INC;
    for my $name (@preload) {
      next if eval { require(file_of($name)); 1 };
      say_that('L', "cannot load $name, which preload names: $@");
    }
    socket $listener, $AF_UNIX, $SOCK_STREAM, 0 or die "socket: $!";
    bind $listener, pack('S Z108', $AF_UNIX, $settings{listen}) or die "bind: $!";
    listen $listener, 1024 or die "listen: $!";
    setsockopt $listener, $SOL_SOCKET, $SO_RCVTIMEO, pack 'q q', $ORPHAN_SECONDS, 0;
    pipe $notices[0], $notices[1] or die;
    $SIG{CHLD} = sub { };
    $SIG{PIPE} = 'IGNORE';
    note_stamps();
    say_that('R', '');
  }

  # Where this program is read from.
  sub find_program {
    my $inode = (stat STDIN)[1];
    for my $fd (3 .. 255) {
      my @stat = stat "/dev/fd/$fd";
      return $fd if @stat && $stat[1] == $inode;
    }
    die "the program is not read from a descriptor of its own";
  }

  # Where in memory the value of the first variable of the environment stands, and its length; nothing where that is not told.
  sub find_room {
    open my $stat, '<', '/proc/self/stat' or return;
    my ($fields) = (readline($stat) // '') =~ /.*\) (.*)/s or return;
    my ($start, $end) = (split ' ', $fields)[47, 48];
    open my $memory, '<:raw', '/proc/self/mem' or return;
    sysseek $memory, $start, 0 or return;
    sysread $memory, my $text, $end - $start or return;
    $text =~ /(?:^|\0)($ROOM=[^\0]*)/ or return;
    return [$start + $-[1], length $1];
  }

  sub file_of {
    my ($file) = @_;
    $file =~ s{::}{/}g;
    return "$file.pm";
  }

  sub stamp {
    my @stat = stat $_[0] or return '';
    return "@stat[0, 1, 7, 9]";
  }

  sub note_stamps {
    for my $path (grep { defined && !ref } values %INC) {
      $stamps{$path} //= stamp($path);
    }
  }

  # Becomes a server; returns in a child that has become a script.
  sub serve {
    start();
    while (1) {
      if (keys %idle < $IDLE_MAX / 2) {
        while (!$retired && keys %idle < $IDLE_MAX && $rest_until <= now()) {
          return if fork_child();
        }
      }
      leave_now(0) if $retired && !%errors && !$trial;
      my $bits = '';
      my %ready = map { fileno($errors{$_}) => $_ } grep { !$paused{$_} } keys %errors;
      vec($bits, $_, 1) = 1 for fileno $notices[0], keys %ready;
      vec($bits, 0, 1) = 1 if $has_life;
      vec($bits, fileno $trial->{reading}, 1) = 1 if $trial;
      my $is_busy = keys %errors > keys %idle || $trial || $rest_until > now();
      my $found = select $bits, undef, undef, $is_busy ? $TICK : undef;
      $bits = '' if $found <= 0;
      if ($found > 0) {
        hear() if vec $bits, fileno $notices[0], 1;
        if ($has_life && vec $bits, 0, 1) {
          # Nothing is ever said there: this is its end.
          if (!sysread STDIN, my $byte, 1) {
            $has_life = 0;
            retire();
          }
        }
        for my $fd (keys %ready) {
          relay($ready{$fd}) if vec $bits, $fd, 1;
        }
      }
      reap();
      my $now = now();
      watch_trial(vec $bits, fileno $trial->{reading}, 1) if $trial;
      delete @paused{grep { $paused{$_} <= $now } keys %paused};
      kill 'URG', keys %leaving if %leaving;
    }
  }

  # Whether this is the child, which has become a script.
  sub fork_child {
    pipe(my $reading, my $writing) or die;
    my $child = fork;
    if (!defined $child) {
      $rest_until = now() + $REST;
      say_that('L', "cannot fork: $!");
      return 0;
    }
    if ($child == 0) {
      become_descriptor($writing, 2);
      close $_ for $reading, $writing;
      become_script();
      return 1;
    }
    $idle{$child} = 1;
    $errors{$child} = $reading;
    return 0;
  }

  # Children say whom they serve, and which script has not been looked at.
  sub hear {
    is_ready($notices[0]) or return;
    sysread $notices[0], my $lines, 65536 or return;
    for my $line (split /\n/, $lines) {
      my ($child, $kind, $text) = split / /, $line, 3;
      delete $idle{$child};
      delete $leaving{$child};
      learn($text) if $kind eq '+';
      say_that('F', $text, $child) if $kind eq '!';
    }
    my $now = now();
    return if $now - $looked < $LOOK_SECONDS;
    $looked = $now;
    for my $path (keys %stamps) {
      return retire() if stamp($path) ne $stamps{$path};
    }
  }

  sub relay {
    my ($child) = @_;
    my $count = sysread($errors{$child}, my $text, $ERRORS_BYTES);
    if (!$count) {
      # Its end, or nothing: the rest comes with the end of the child.
      $paused{$child} = now() + $ERRORS_PAUSE;
      return;
    }
    say_that('E', $text, $child);
    $paused{$child} = now() + $ERRORS_PAUSE if $count > $ERRORS_BYTES / 2;
  }

  sub reap {
    while ((my $child = waitpid -1, $WNOHANG) > 0) {
      my $status = $?;
      $trial->{pid} = 0 if $trial && $trial->{pid} == $child;
      my $reading = delete $errors{$child} or next;
      delete $paused{$child};
      # What it has said of itself comes first.
      hear();
      for (1 .. 16) {
        is_ready($reading) && sysread $reading, my $text, $ERRORS_BYTES or last;
        say_that('E', $text, $child);
      }
      my $has_begun = !$idle{$child} && !$leaving{$child};
      say_that('X', $status, $child) if $has_begun;
      $rest_until = now() + $REST if !$has_begun && $status != 0;
      delete $idle{$child};
      delete $leaving{$child};
    }
  }

  # Sends those home that wait. One that is served meanwhile ignores the signal, as it does by default.
  sub dismiss {
    kill 'URG', keys %idle;
    %leaving = (%leaving, %idle);
    %idle = ();
  }

  # Takes no more requests, and ends with the last child.
  sub retire {
    return if $retired;
    $retired = 1;
    say_that('Q', '');
    close $listener;
    unlink $settings{listen};
    dismiss();
  }

  # What scripts need

  sub learn {
    my ($path) = @_;
    my $stamp = stamp($path);
    return if ($seen{$path} // '') eq $stamp;
    %seen = () if keys %seen >= $SCRIPTS_MAX;
    $seen{$path} = $stamp;
    open my $file, '<:raw', $path or return;
    read($file, my $source, $SCRIPT_BYTES_MAX);
    $source =~ s/^__(?:END|DATA)__\b.*//ms;
    $source =~ s/^=[a-zA-Z].*?(?:^=cut\b.*?$|\z)//msg;
    my @names = grep { is_installed($_) } $source =~ /^[ \t]*use[ \t]+([A-Za-z_]\w*(?:::\w+)*)[ \t(;]/mg;
    @names = grep { !$INC{file_of($_)} && !$tried{$_}++ } @names;
    push @waiting, @names;
    try_modules() if @names;
  }

  # Whether a module is where the system's own are, and nowhere before them.
  sub is_installed {
    my ($name) = @_;
    return 0 if $name =~ $NEVER;
    for my $folder (grep { !ref } @INC) {
      return $installed{$folder} if -e "$folder/" . file_of($name);
    }
    return 0;
  }

  # Has a child load what is waiting to be, since nobody knows what loading does.
  sub try_modules {
    return if $trial || !@waiting || $retired;
    my @names = splice @waiting;
    pipe(my $reading, my $writing) or return;
    my $child = fork;
    return if !defined $child;
    try_all($writing, @names) if $child == 0;
    $trial = { pid => $child, reading => $reading, until => now() + $TRIAL_SECONDS, names => \@names,
      lines => '' };
  }

  # In a child: loads, and says of each module whether it did so and nothing else. Never returns.
  sub try_all {
    my ($writing, @names) = @_;
    eval {
      $SIG{CHLD} = 'DEFAULT';
      pipe(my $reading, my $printing) or die;
      become_descriptor($null, 0);
      become_descriptor($printing, $_) for 1, 2;
      for my $name (@names) {
        my $before = traces();
        my $is_good = eval { require(file_of($name)); 1 };
        my $is_clean = traces() eq $before && !is_ready($reading);
        write_all($writing, ($is_good && $is_clean ? '+' : '-') . "$name\n");
        last if !$is_clean;
      }
      write_all($writing, ".\n");
    };
    leave_now(0);
  }

  # What loading a module may have changed that all scripts would see.
  sub traces {
    my @signals = map { "$_=" . ($SIG{$_} // '') } sort keys %SIG;
    my @variables = map { "$_=$ENV{$_}" } sort keys %ENV;
    opendir my $folder, '/proc/self/task';
    my $threads = $folder ? () = readdir $folder : 0;
    return join "\0", @signals, @variables, (map { "$_" } @INC), $threads, (stat '.')[1], $0, $|, $, // '', $\ // '', $/ // '';
  }

  # Takes what the trial says, to its end or until it has had time enough.
  sub watch_trial {
    my ($is_told) = @_;
    if ($trial->{until} <= now()) {
      kill 'KILL', $trial->{pid} if $trial->{pid};
    } elsif (!$is_told || sysread $trial->{reading}, $trial->{lines}, 65536, length $trial->{lines}) {
      return;
    }
    judge();
  }

  # The trial is over: what went well is loaded here too.
  sub judge {
    my ($lines, $names) = @$trial{qw(lines names)};
    undef $trial;
    my @told = split /\n/, $lines;
    my $has_ended = @told && $told[-1] eq '.';
    pop @told if $has_ended;
    for my $line (@told) {
      eval { require(file_of($1)) } if $line =~ /^\+(.*)/;
    }
    # The one at which the trial broke off is left out.
    unshift @waiting, @$names[@told + !$has_ended .. $#$names];
    note_stamps();
    dismiss();
    try_modules();
  }

  # -- A child -----------------------------------------------------------------------------------------------------------

  my %job;

  # In a child: waits for a request and makes this process its script, to be read from here on.
  sub become_script {
    if (!eval { receive(); prepare(); 1 }) {
      # It has not begun: whoever wants the script sees its end and does without.
      leave_now(127);
    }
    my $reason = unfit();
    run_plainly($reason) if defined $reason;
    pipe(my $reading, my $writing) or leave_now(127);
    my $begin = 'BEGIN { Pollux::Warm::enter() } INIT { Pollux::Warm::leave() }';
    write_all($writing, "$begin\n# line 1 \"$job{script}\"\n");
    become_descriptor($reading, $rsfp, $O_CLOEXEC);
  }

  # Waits for a request, and takes it.
  sub receive {
    my $place = -1;
    # It may come just after `accept`: then there is a request, which is served.
    $SIG{URG} = sub { leave_now(0) if !-e "/dev/fd/$place" };
    $SIG{CHLD} = 'DEFAULT';
    close $_ for $control, $notices[0], values %errors, $trial ? $trial->{reading} : ();
    # The descriptor that its connection gets.
    open my $probe, '<&', $null or leave_now(0);
    $place = fileno $probe;
    close $probe;
    my $connection;
    until (accept $connection, $listener) {
      leave_now(0) if getppid != $pid;
    }
    $SIG{URG} = 'DEFAULT';
    leave_now(0) if getppid != $pid;
    my $data = '';
    while (length $data < 8 || length $data < 8 + hex substr $data, 0, 8) {
      sysread $connection, $data, 65536, length $data or leave_now(0);
    }
    my @fields = split /\0/, substr($data, 8), -1;
    @job{qw(token program script cwd)} = splice @fields, 0, 4;
    $job{marks} = [splice @fields, 0, shift @fields];
    $job{args} = [splice @fields, 0, shift @fields];
    $job{env} = \@fields;
    $job{connection} = $connection;
  }

  # Gives the child what a script is started with. Up to the line that it has begun, it can still back out.
  sub prepare {
    my $connection = $job{connection};
    chdir $job{cwd} or die;
    syscall $SYS_setsid;
    umask $settings{umask} if length $settings{umask};
    setpriority 0, 0, getpriority(0, 0) + $settings{nice} if $settings{nice};
    if (length $job{token}) {
      socket my $input, $AF_UNIX, $SOCK_STREAM, 0 or die;
      connect $input, pack('S Z108', $AF_UNIX, $settings{input}) or die;
      write_all($input, $job{token}) or die;
      become_descriptor($input, 0);
    } else {
      become_descriptor($null, 0);
    }
    # Whoever wanted it may have given up; then it is run elsewhere by now.
    my $peer = recv $connection, my $byte, 1, $MSG_PEEK | $MSG_DONTWAIT;
    die if defined $peer && $byte eq '';
    become_descriptor($connection, 1);
    my $stamp = stamp($job{script});
    my $is_told = ($seen{$job{script}} // '') eq $stamp || $stamp eq '' || length $job{script} > $NOTICE_MAX
      || $job{script} =~ /\n/;
    mark();
    # The server first: the end of a child that has begun has to be told, the end of one that has not is nobody's.
    syswrite $notices[1], $is_told ? "$$ = \n" : "$$ + $job{script}\n";
    write_all($connection, sprintf "%011d\n", $$) or die;
    %ENV = @{$job{env}};
  }

  # Writes by what the request is known over the environment that this process was started with, where others look.
  sub mark {
    my $marks = join("\0", @{$job{marks}}) . "\0";
    return if !$room || length $marks == 1 || length $marks > $room->[1];
    open my $memory, '+<:raw', '/proc/self/mem' or return;
    sysseek $memory, $room->[0], 0 and syswrite $memory, $marks;
  }

  # Why Perl itself has to be started for a script; nothing: it need not.
  sub unfit {
    my $script = $job{script};
    return 'its path cannot be written in a #line' if $script =~ /["\0-\x1f]/;
    open my $file, '<:raw', $script or return 'it cannot be read';
    my $first = readline($file) // '';
    if ($first =~ /^#!(.*)/) {
      my ($switches) = $1 =~ /perl[\w.]*(.*)/ or return 'its first line names another program';
      return "its first line has switches: $switches" if $switches !~ /^\s*(?:-w\s*)?$/;
    }
    if (grep { !$innate{$_} } keys %INC) {
      # Modules of its own may go before those that are loaded.
      local $/;
      my $source = readline($file) // '';
      return 'it changes @INC' if $source =~ /\@INC\b|\$INC\s*(?:\[|\{[^}]*\}\s*=[^=~])/;
      $job{uses_lib} = $source =~ /^\s*(?:use|require)\s+(?:lib|FindBin|local::lib)\b/m;
    }
    my $shadow = find_shadow(@before);
    return "$shadow goes before a module that is loaded already" if defined $shadow;
    return;
  }

  sub find_shadow {
    my @folders = grep { !ref && !$installed{$_} } @_;
    for my $name (@folders ? grep { !$innate{$_} } keys %INC : ()) {
      for my $folder (@folders) {
        my $path = "$folder/$name";
        return $path if -e $path && $path ne ($INC{$name} // '');
      }
    }
    return;
  }

  sub run_plainly {
    my ($reason) = @_;
    $reason =~ s/\n/ /g;
    syswrite $notices[1], substr("$$ ! $reason", 0, $NOTICE_MAX) . "\n";
    $SIG{PIPE} = 'DEFAULT';
    exec { $job{program} } $job{program}, @{$settings{flags}}, $job{script}, @{$job{args}}
      or leave_now(127);
  }

  # Modules of folders that the script names go before those that are loaded already.
  sub watch_lib {
    require lib;
    my $import = \&lib::import;
    my %loaded = map { $_ => $job{$_} } qw(program script args);
    *lib::import = sub {
      my $shadow = find_shadow(@_[1 .. $#_]);
      if (defined $shadow) {
        %job = %loaded;
        run_plainly("$shadow goes before a module that is loaded already");
      }
      goto &$import;
    };
  }

  # The last before the script itself is read.
  sub enter {
    watch_lib() if $job{uses_lib};
    open my $script, '<:raw', $job{script} or run_plainly('it cannot be read');
    become_descriptor($script, $rsfp, $O_CLOEXEC);
    $SIG{$_} = 'DEFAULT' for qw(PIPE URG CHLD);
    $0 = $job{script};
    @ARGV = @{$job{args}};
    $^T = time;
    srand;
    close $_ for $job{connection}, $listener, $null;
    %job = ();
    $^W = $warns;
    $@ = '';
    $! = 0;
  }

  # The script is compiled and about to run: from here on it cannot be started anew.
  sub leave {
    close $notices[1];
  }

  serve();
}
