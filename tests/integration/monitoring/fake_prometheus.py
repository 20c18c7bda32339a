#!/usr/bin/env python3
"""A Prometheus that reads scrape_config_files, made from its documentation: Debian 12's is too old for them.

It tells its configuration, flags and version, and when it was reloaded. Usage: fake_prometheus.py PORT CONFIG
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONFIG = sys.argv[2]
STATE = {"loaded": time.time(), "good": 1, "reloads": 0}


def api(path):
    if path == "status/config":
        with open(CONFIG, encoding="utf-8") as file:
            return {"yaml": file.read()}  # what stands in fragments is not shown
    if path == "status/flags":
        return {"config.file": CONFIG}
    if path == "status/buildinfo":
        return {"version": "2.43.0"}
    if path == "status/runtimeinfo":
        return {"CWD": "/", "startTime": "", "lastConfigTime": str(STATE["loaded"]),
                "reloadConfigSuccess": STATE["good"] == 1}
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *words):
        pass

    def send(self, code, text):
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/metrics":
            return self.send(200, "prometheus_config_last_reload_successful %d\n"
                             "prometheus_config_last_reload_success_timestamp_seconds %.17g\n"
                             % (STATE["good"], STATE["loaded"]))
        data = api(self.path.removeprefix("/api/v1/"))
        if data is None:
            return self.send(404, "not found")
        return self.send(200, json.dumps({"status": "success", "data": data}))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        STATE["reloads"] += 1
        STATE["loaded"] = time.time()
        self.send(200, "")


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
