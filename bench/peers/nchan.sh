#!/bin/sh
# Debian's nginx with Nchan: POST /pub publishes, GET /sub subscribes on three wires.
set -eu
. "$(dirname "$0")/lib.sh"
nginx=$peers/nchan/usr/sbin/nginx
need "$nginx"
dir=$(scratch)
mkdir "$dir/tmp"

case $files in unlimited) files=65536 ;; esac
user=
if [ "$(id -u)" = 0 ]; then user='user root;'; fi

cat >"$dir/nginx.conf" <<CONF
daemon off;
$user
worker_processes 1;
worker_rlimit_nofile $files;
error_log stderr crit;
pid $dir/nginx.pid;
load_module $peers/nchan/usr/lib/nginx/modules/ngx_nchan_module.so;
events { worker_connections 20500; }
http {
  access_log off;
  client_body_temp_path $dir/tmp;
  proxy_temp_path $dir/tmp;
  fastcgi_temp_path $dir/tmp;
  uwsgi_temp_path $dir/tmp;
  scgi_temp_path $dir/tmp;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 256m;
  server {
    listen 127.0.0.1:$port backlog=4096;
    location = /pub {
      nchan_publisher;
      nchan_channel_id bench;
      nchan_message_buffer_length 1000;
    }
    location = /sub {
      nchan_subscriber websocket eventsource http-chunked;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
    }
  }
}
CONF
exec "$nginx" -p "$dir" -c "$dir/nginx.conf" -e stderr
