#!/usr/bin/env bash
# One Apache Kafka node (KRaft, broker and controller) on loopback, out of Maven's jars.
#
#   kafka.sh install        get the jars (java and mvn too: as root on Debian)
#   kafka.sh start          start it, and wait until it answers
#   kafka.sh stop           stop it; what it stored stays
#   kafka.sh fresh          start it with nothing stored
#   kafka.sh status         whether it runs; exit code 1 if not
#   kafka.sh pid            its process id; exit code 1 if it does not run
#   kafka.sh tool CLASS ..  a console tool, such as: tool TopicCommand --list
#
# KAFKA_PORT       port of the broker (19092); the controller has the next one
# KAFKA_DIR        where jars and data are kept (.kafka in the project)
# KAFKA_LOGS       where records are stored instead, a folder a node in it
# KAFKA_HEAP       heap of the broker (1g)
# KAFKA_LOG_LEVEL  what goes to kafka.log (WARN)
#
# Nodes of different ports share the jars and nothing else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=${KAFKA_PORT:-19092}
controller_port=$((port + 1))
base=${KAFKA_DIR:-$(dirname "$here")/.kafka}
mkdir -p "$base"
base=$(cd "$base" && pwd)
node=$base/node-$port
logs=${KAFKA_LOGS:+$KAFKA_LOGS/node-$port}
logs=${logs:-$node/logs}
pid_file=$node/kafka.pid
log_file=$node/kafka.log
properties=$node/server.properties
start_seconds=120
stop_seconds=60

fail() {
  echo "kafka.sh: $*" >&2
  exit 1
}

# Java 17 is the oldest that runs this Kafka.
need_java() {
  local remedy='install a JDK of 17 or later (Debian: apt-get install default-jdk-headless)'
  command -v java >/dev/null || fail "java is not on the PATH: $remedy"
  local major
  major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -1)
  [ "${major:-0}" -ge 17 ] || fail "java is of version ${major:-unknown}: $remedy"
}

# A fingerprint of the POMs marks a finished install, so that a changed version
# is fetched and an interrupted install is done again.
installed() {
  [ -f "$base/installed" ] && cat "$here"/kafka/*-pom.xml | cmp -s - "$base/installed"
}

install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    "$here/ci-install.sh" java mvn
  fi
  fetch
}

fetch() {
  need_java
  if installed; then return; fi
  command -v mvn >/dev/null ||
    fail 'mvn is not on the PATH: install Maven (Debian: apt-get install maven)'
  echo "getting Kafka's jars into $base (once)" >&2
  local part
  for part in broker tools; do
    rm -rf "${base:?}/$part-jars"
    mvn --batch-mode --quiet -Dstyle.color=never --file "$here/kafka/$part-pom.xml" \
      dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$base/$part-jars" ||
      fail "Maven could not get the jars of $part-pom.xml: see its words above"
  done
  cat "$here"/kafka/*-pom.xml >"$base/installed"
}

# A pid file may outlive its process, and its number may be another's by now:
# ours is the one that was started with our properties.
running_pid() {
  [ -f "$pid_file" ] || return 1
  local pid
  pid=$(cat "$pid_file")
  [ -n "$pid" ] && ps -ww -p "$pid" -o args= 2>/dev/null | grep -qF -- "$properties" || return 1
  echo "$pid"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# An ApiVersions request of version 0, and the first bytes of an answer. A
# console tool would do as well, two seconds of JVM start later.
answers() {
  local received
  received=$(
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 0
    printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3
    timeout 2 head -c 8 <&3 | wc -c
  ) 2>/dev/null
  [ "${received:-0}" -eq 8 ]
}

quick_jvm() {
  java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
    "-Dlog4j2.configurationFile=$here/kafka/log4j2.xml" "$@"
}

# Kafka wants 16 random bytes in unpadded URL-safe base64; a leading dash would
# look like an option.
new_cluster_id() {
  local id
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  echo "${id/#-/A}"
}

write_properties() {
  sed -e "s|@PORT@|$port|g" -e "s|@CONTROLLER_PORT@|$controller_port|g" \
    -e "s|@LOGS@|$logs|g" "$here/kafka/server.properties.in" >"$properties"
}

# The class data archive halves the start of the JVM. It is written when the
# node first stops and holds for these jars only.
archive_option() {
  local archive=$base/classes.jsa
  if [ -f "$archive" ] && [ "$archive" -nt "$base/installed" ]; then
    echo "-XX:SharedArchiveFile=$archive"
  else
    rm -f "$archive"
    echo "-XX:ArchiveClassesAtExit=$archive"
  fi
}

launch() {
  local detach=()
  # A session of its own: Ctrl-C in the terminal is not for the broker.
  if command -v setsid >/dev/null; then detach=(setsid); fi
  local heap=${KAFKA_HEAP:-1g}
  nohup "${detach[@]}" java "-Xms$heap" "-Xmx$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    -Djava.awt.headless=true "$(archive_option)" -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off \
    "-Dlog4j2.configurationFile=$here/kafka/log4j2.xml" \
    "-Dkafka.log.level=${KAFKA_LOG_LEVEL:-WARN}" \
    -cp "$base/broker-jars/*" kafka.Kafka "$properties" >"$log_file" 2>&1 </dev/null &
  echo $! >"$pid_file"
}

await_answer() {
  local deadline=$((SECONDS + start_seconds))
  until port_open "$port" && answers; do
    if ! running_pid >/dev/null; then
      tail -20 "$log_file" >&2
      rm -f "$pid_file"
      fail "Kafka ended while it started: its last words are above, all of them in $log_file"
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
      stop
      fail "Kafka did not answer on 127.0.0.1:$port within $start_seconds s: see $log_file"
    fi
    sleep 0.1
  done
}

start() {
  local pid
  if pid=$(running_pid); then
    await_answer
    echo "Kafka runs on 127.0.0.1:$port (pid $pid)"
    return
  fi
  fetch
  local taken
  for taken in "$port" "$controller_port"; do
    if port_open "$taken"; then
      fail "port $taken is taken by another process: stop it, or set KAFKA_PORT"
    fi
  done
  mkdir -p "$node"
  write_properties
  if [ ! -f "$logs/meta.properties" ]; then
    quick_jvm -cp "$base/broker-jars/*" kafka.tools.StorageTool format \
      --cluster-id "$(new_cluster_id)" --config "$properties" >"$node/format.log" 2>&1 ||
      fail "Kafka could not format $logs: see $node/format.log"
  fi
  local begun=$SECONDS
  launch
  await_answer
  echo "Kafka answers on 127.0.0.1:$port after $((SECONDS - begun)) s (pid $(cat "$pid_file"))"
}

stop() {
  local pid
  if ! pid=$(running_pid); then
    rm -f "$pid_file"
    echo "Kafka does not run on port $port"
    return
  fi
  kill "$pid"
  local deadline=$((SECONDS + stop_seconds))
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "Kafka (pid $pid) did not stop within $stop_seconds s: killing it" >&2
      kill -9 "$pid" 2>/dev/null || true
      sleep 0.2
      break
    fi
    sleep 0.1
  done
  rm -f "$pid_file"
  echo "Kafka stopped (pid $pid)"
}

fresh() {
  stop
  rm -rf "${logs:?}"
  start
}

status() {
  local pid
  if pid=$(running_pid); then
    echo "Kafka runs on 127.0.0.1:$port (pid $pid, $(($(ps -p "$pid" -o rss=) / 1024)) MiB), data in $node"
  else
    echo "Kafka does not run on port $port"
    return 1
  fi
}

tool() {
  [ $# -gt 0 ] || fail 'which tool? such as: kafka.sh tool TopicCommand --list'
  fetch
  local class=$1
  shift
  case $class in
    ConsoleConsumer) class=consumer.ConsoleConsumer ;;
    ConsumerGroupCommand) class=consumer.group.ConsumerGroupCommand ;;
  esac
  quick_jvm -cp "$base/tools-jars/*" "org.apache.kafka.tools.$class" \
    --bootstrap-server "127.0.0.1:$port" "$@"
}

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; }

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  install | start | stop | fresh | status) "$command" ;;
  pid) running_pid ;;
  tool) tool "$@" ;;
  help | --help | -h) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
