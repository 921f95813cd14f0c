#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A private Apache Kafka and a private PostgreSQL under one directory, on loopback ports that were free.
#
#   tools/services.sh start DIR [kafka|postgres]    both unless one is named; ports and data survive a stop
#   tools/services.sh stop  DIR [kafka|postgres]    nothing of it runs afterwards
#   tools/services.sh kill  DIR  kafka|postgres     the same with SIGKILL
#   tools/services.sh set   DIR TOPIC NAME=VALUE    a setting of a topic, by Kafka's own tool
#
# While DIR runs, DIR/kafka.address holds host:port, DIR/postgres.url a superuser's URL of the database "postgres",
# and DIR/kafka.pid and DIR/postgres.pid hold "PID START-TIME". Logs: DIR/kafka/*.log, DIR/postgres.log.
# Sourced by ./dev, which adds its own processes with the same process_* functions.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kafka_home=$root/.dev/kafka

say() { printf '%s\n' "$@"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# --- processes: a pid file names one process and no later one that happens to get its number ---

process_born() { # PID: when it started, in ticks since boot; nothing when it is gone or a zombie
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] && echo "${fields[19]}"
}

process_alive() { # PIDFILE
  local pid born
  { read -r pid born <"$1"; } 2>/dev/null && [ -n "$born" ] && [ "$(process_born "$pid")" = "$born" ]
}

process_spawn() { # PIDFILE LOG COMMAND…: in a session of its own; the pid file is there before the command runs
  local pidfile=$1 log=$2 pid
  shift 2
  rm -f "$pidfile"
  (
    pid=$BASHPID # its own: inside $() it would be another one's
    echo "$pid $(process_born "$pid")" >"$pidfile"
    exec setsid "$@" </dev/null >>"$log" 2>&1 8>&- 9>&- # no lock outlives its script in a server
  ) &
  disown
  until [ -s "$pidfile" ]; do sleep 0.01; done
}

process_stop() { # PIDFILE SIGNAL SECONDS: ask, wait, then SIGKILL; fails only when even that does not help
  local pid _ deadline=$((SECONDS + $3))
  if process_alive "$1"; then
    read -r pid _ <"$1"
    kill -s "$2" "$pid" 2>/dev/null
    while process_alive "$1"; do
      if [ $SECONDS -ge $deadline ]; then
        [ $SECONDS -lt $((deadline + 10)) ] || return 1
        kill -s KILL "$pid" 2>/dev/null
      fi
      sleep 0.05
    done
  fi
  rm -f "$1"
}

# --- ports ---

# Prints one port for each argument: that port when it is free, else a free one. They are taken from below the range
# that the kernel gives to outgoing connections: a client that keeps trying to reach a stopped server must not be
# able to get the server's port for itself.
free_ports() {
  /usr/bin/python3 - "$@" <<'PYTHON'
import random, socket, sys
held = []
def take(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        return False
    held.append(s)
    return True
for wanted in map(int, sys.argv[1:]):
    if not (wanted and take(wanted)):
        while not take(random.randrange(15000, 32000)):
            pass
print(*(s.getsockname()[1] for s in held))
PYTHON
}

last_line() { # FILE DEFAULT
  [ -s "$1" ] && tail -n 1 "$1" || echo "$2"
}

# --- Kafka ---

kafka_java=(java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true
  -Dlog4j2.disableJmx=true -Dlog4j2.configurationFile="$root/tools/kafka/log4j2.xml" -cp "$kafka_home/lib/*")
kafka_archive=-XX:SharedArchiveFile=$kafka_home/classes.jsa

# Once per checkout and version: the jars, a formatted (empty) data directory, and an archive of loaded classes, which
# saves a good second of every later start.
kafka_prepare() {
  local log=$root/.dev/log/kafka-prepare.log
  mkdir -p "$root/.dev/log"
  (
    flock 9
    cmp -s "$root/tools/kafka/pom.xml" "$kafka_home/pom.xml" && exit 0
    say "fetching Apache Kafka's jars from Maven Central (once)"
    process_stop "$kafka_home/first.pid" KILL 0 # left by one that was interrupted
    rm -rf "$kafka_home"
    mkdir -p "$kafka_home"
    if ! mvn -B -ntp -f "$root/tools/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
      -DoutputDirectory="$kafka_home/lib" >"$log" 2>&1; then
      complain "Maven could not download Apache Kafka; log: $log"
      exit 1
    fi
    kafka_configure "$kafka_home/first" 1 2
    if ! "${kafka_java[@]}" -Dkafka.log="$log" kafka.tools.StorageTool format --cluster-id "$(kafka_cluster_id)" \
      --config "$kafka_home/first/server.properties" >>"$log" 2>&1; then
      complain "Kafka could not format a data directory; log: $log"
      exit 1
    fi
    cp -r "$kafka_home/first/data" "$kafka_home/empty"
    kafka_archive=-XX:ArchiveClassesAtExit=$kafka_home/classes.jsa kafka_start "$kafka_home/first" &&
      process_stop "$kafka_home/first.pid" TERM 60 || exit
    rm -rf "$kafka_home"/first*
    cp "$root/tools/kafka/pom.xml" "$kafka_home/pom.xml"
  ) 9>"$root/.dev/kafka.lock"
}

# Without the "-" that base64url has: Kafka's tool would take an id that begins with one for an option.
kafka_cluster_id() { head -c 16 /dev/urandom | base64 | tr '+/' 'Aa' | cut -c 1-22; }

kafka_configure() { # HOME PORT CONTROLLER-PORT
  mkdir -p "$1"
  cat "$root/tools/kafka/server.properties" - >"$1/server.properties" <<PROPERTIES

listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.quorum.voters=1@127.0.0.1:$3
log.dirs=$1/data
PROPERTIES
}

kafka_format() { # HOME
  local staged=$1/data.new
  [ -e "$1/data" ] && return
  rm -rf "$staged"
  cp -r "$kafka_home/empty" "$staged" &&
    sed -i "s/^cluster.id=.*/cluster.id=$(kafka_cluster_id)/" "$staged/meta.properties" &&
    mv "$staged" "$1/data"
}

kafka_answers() {
  grep -qs 'Kafka Server started' "$1/server.log" &&
    kcat -q -L -b "$(cat "$1.address")" -m 1 -X reconnect.backoff.ms=20 -X reconnect.backoff.max.ms=50 >/dev/null 2>&1
}

kafka_start_once() { # HOME
  local ports
  read -ra ports <<<"$(free_ports "$(last_line "$1.address" :0 | cut -d : -f 2)" 0)"
  kafka_configure "$1" "${ports[@]}" && kafka_format "$1" || return
  echo "127.0.0.1:${ports[0]}" >"$1.address"
  [ ! -e "$1/server.log" ] || mv "$1/server.log" "$1/server.log.1"
  process_spawn "$1.pid" "$1/console.log" "${kafka_java[@]}" "$kafka_archive" -Dkafka.log="$1/server.log" \
    kafka.Kafka "$1/server.properties"
}

kafka_start() { server_start Kafka kafka_start_once kafka_answers "$1" "$1/server.log"; }

# --- PostgreSQL ---

postgres_bin() { # the newest of the distribution's servers, 15 or later
  find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -n |
    awk '$1 >= 15 { v = $1 } END { if (!v) exit 1; print "/usr/lib/postgresql/" v "/bin" }'
}

# PostgreSQL refuses to run as root: then it runs as the user that its package has made.
as_postgres=()
[ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid postgres --regid postgres --init-groups --)

# HOME is a link to a place below /var/tmp when PostgreSQL's user cannot reach it (a checkout below /root).
postgres_make_home() { # HOME
  local elsewhere
  [ -e "$1/." ] && return
  rm -f "$1"
  mkdir -p "$1" || return
  [ ${#as_postgres[@]} -gt 0 ] || return 0
  chown postgres: "$1"
  "${as_postgres[@]}" test -x "$1/." 2>/dev/null && return
  elsewhere=$(mktemp -d /var/tmp/libjob-postgres.XXXXXX) && chown postgres: "$elsewhere" &&
    rmdir "$1" && ln -s "$elsewhere" "$1"
}

postgres_init() { # HOME; initdb's work appears complete or not at all
  local home
  home=$(readlink -f "$1")
  [ -e "$home/data" ] && return
  rm -rf "$home/data.new"
  (cd "$home" && "${as_postgres[@]}" "$pg_bin/initdb" --pgdata="$home/data.new" --username=postgres --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions) >>"$1.log" 2>&1 && mv "$home/data.new" "$home/data"
}

# The lock files of a killed server keep the next one away for as long as the dead process has not been collected
# (for ever in a container whose first process collects nobody). They go when no process of the cluster lives.
postgres_unlock() { # HOME
  local deadline=$((SECONDS + 5))
  while [ -n "$(find /proc -maxdepth 2 -name cwd -lname "$1/data" 2>/dev/null)" ]; do
    [ $SECONDS -lt $deadline ] || return
    sleep 0.05
  done
  rm -f "$1/data/postmaster.pid" "$1"/.s.PGSQL.*
}

postgres_answers() { "$pg_bin/pg_isready" -q -t 1 -d "$(cat "$1.url")"; }

postgres_start_once() { # HOME
  local port home sockets
  postgres_make_home "$1" && postgres_init "$1" || return
  port=$(free_ports "$(last_line "$1.url" :0/ | sed 's|.*:\([0-9]*\)/.*|\1|')")
  home=$(readlink -f "$1")
  postgres_unlock "$home" || complain "a process still uses $home/data"
  sockets=$home
  [ ${#home} -le 85 ] || sockets= # the kernel's limit for a socket's name is 107 bytes
  echo "postgresql://postgres@127.0.0.1:$port/postgres" >"$1.url"
  (cd "$home" && process_spawn "$1.pid" "$1.log" "${as_postgres[@]}" "$pg_bin/postgres" -D "$home/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories="$sockets" -c max_connections=200 -c fsync=on \
    -c max_prepared_transactions=10 -c log_line_prefix='%m [%p] %a@%d ')
}

postgres_start() {
  pg_bin=$(postgres_bin) || { complain "no PostgreSQL server >= 15 below /usr/lib/postgresql"; return 1; }
  server_start PostgreSQL postgres_start_once postgres_answers "$1" "$1.log"
}

# --- either ---

# A port may be taken between finding it and using it, and a killed server's memory may outlive it for a moment:
# a server that ends before it answers is started again, twice.
server_start() { # NAME START-FUNCTION READY-FUNCTION HOME LOG
  local name=$1 start=$2 answers=$3 home=$4 log=$5 try deadline=$((SECONDS + 120))
  mkdir -p "${home%/*}"
  process_alive "$home.pid" && "$answers" "$home" && return
  process_stop "$home.pid" KILL 0
  for try in 1 2 3; do
    [ "$try" = 1 ] || sleep 0.5
    if [ $SECONDS -ge $deadline ] || ! "$start" "$home"; then break; fi
    while process_alive "$home.pid" && [ $SECONDS -lt $deadline ]; do
      "$answers" "$home" && return
      sleep 0.05
    done
    process_stop "$home.pid" KILL 0
  done
  complain "$name did not start; log: $log"
  return 1
}

services_start() { # DIR [kafka|postgres]
  mkdir -p "$1" || return
  (
    flock 9
    dir=$(cd "$1" && pwd)
    if [ "${2:-kafka}" = kafka ]; then kafka_prepare && kafka_start "$dir/kafka" || exit; fi
    if [ "${2:-postgres}" = postgres ]; then postgres_start "$dir/postgres" || exit; fi
  ) 9>"$1/services.lock"
}

services_stop() { # DIR [kafka|postgres [SIGNAL]]
  [ -d "$1" ] || return 0
  (
    flock 9
    status=0
    if [ "${2:-kafka}" = kafka ]; then process_stop "$1/kafka.pid" "${3:-TERM}" 20 || status=1; fi
    if [ "${2:-postgres}" = postgres ]; then process_stop "$1/postgres.pid" "${3:-INT}" 20 || status=1; fi
    exit $status
  ) 9>"$1/services.lock"
}

services_set() { # DIR TOPIC NAME=VALUE
  "${kafka_java[@]}" -Dkafka.log=/dev/null kafka.admin.ConfigCommand --bootstrap-server "$(cat "$1/kafka.address")" \
    --alter --entity-type topics --entity-name "$2" --add-config "$3"
}

services_remove() { # DIR: stopped and gone, wherever its data lay
  services_stop "$1" || return
  [ -L "$1/postgres" ] && rm -rf "$(readlink "$1/postgres")"
  rm -rf "$1"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  case ${1:-}/$# in
    start/2 | start/3) services_start "$2" "${3:-}" ;;
    stop/2 | stop/3) services_stop "$2" "${3:-}" ;;
    kill/3) services_stop "$2" "$3" KILL ;;
    set/4) services_set "${@:2}" ;;
    *) sed -n '4,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
fi
