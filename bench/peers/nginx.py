"""nginx `proxy_pass`, without any authentication. Debian package nginx-light.

Buffered as it is shipped, but for event streams and large bodies: there it is told to pass on what comes.
"""

import shutil

from bench.machine import Missing, Program, file_limit, free_port
from bench.peers.stage import Running, Stage

_CONFIGURATION = """\
daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000; keepalive_timeout 600s; client_max_body_size 0; tcp_nodelay on;
  {buffering}
  proxy_read_timeout 600s; proxy_send_timeout 600s; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Host 127.0.0.1:{upstream};
  upstream one {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}{ssl} backlog=4096;
    {certificate}
    location / {{ proxy_pass {scheme}://one; }}
  }}
}}
"""
_UNBUFFERED = "proxy_buffering off; proxy_request_buffering off;"
_TLS = """\
ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_session_cache shared:one:10m;
    proxy_ssl_trusted_certificate {authority}; proxy_ssl_verify on; proxy_ssl_name localhost;"""


def start(stage: Stage) -> Running:
    """Raises `Missing`."""
    if shutil.which("nginx") is None:
        raise Missing("nginx is not installed: apt-get install nginx-light")
    port = free_port()
    folder = stage.folder / f"nginx-{port}"
    folder.mkdir()
    tls = stage.tls
    (folder / "nginx.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            workers=stage.workers,
            files=file_limit(),
            connections=2 * file_limit(),  # it closes new ones when a sixteenth is left
            buffering=_UNBUFFERED if stage.streams else "",
            upstream=stage.upstream,
            port=port,
            ssl=" ssl" if tls else "",
            certificate=_TLS.format(certificate=tls.certificate, key=tls.key, authority=tls.authority) if tls else "",
            scheme=stage.scheme,
        )
    )
    program = Program(["nginx", "-c", f"{folder}/nginx.conf", "-p", str(folder)], folder, cores=stage.cores)
    program.wait_for(port)
    return Running(port, program)
