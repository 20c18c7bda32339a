#!/usr/bin/env python3
"""A Grafana made from its documented HTTP API, since none is packaged: contract tests talk to it.

It answers /api/health, /api/search, /api/folders, /api/datasources and /api/dashboards as
grafana.com/docs/grafana/latest/developers/http_api says, with its versions and refusals. It keeps everything
in memory. Usage: fake_grafana.py PORT TOKEN
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

TOKEN = sys.argv[2]
STATE = {"folders": {}, "datasources": {}, "dashboards": {}, "id": 0, "log": [], "down": 0, "broken": 0,
         "drop": ""}


def next_id():
    STATE["id"] += 1
    return STATE["id"]


class Refusal(Exception):
    def __init__(self, code, message, status=None):
        super().__init__(message)
        self.code = code
        self.body = {"message": message}
        if status:
            self.body["status"] = status


# ---- folders ----


def folder_seen(folder):
    return {**folder, "url": "/dashboards/f/" + folder["uid"], "hasAcl": False, "canSave": True}


def get_folder(uid):
    if uid not in STATE["folders"]:
        raise Refusal(404, "folder not found", "not-found")
    return STATE["folders"][uid]


def make_folder(body):
    uid = body.get("uid") or "made-" + str(next_id())
    if not body.get("title"):
        raise Refusal(400, "folder title cannot be empty")
    if uid in STATE["folders"]:
        raise Refusal(409, "a folder with the same uid already exists")
    folder = {"id": next_id(), "uid": uid, "title": body["title"], "version": 1}
    if body.get("parentUid"):
        folder["parentUid"] = get_folder(body["parentUid"])["uid"]
    STATE["folders"][uid] = folder
    return folder_seen(folder)


def change_folder(uid, body):
    folder = get_folder(uid)
    if not body.get("overwrite") and body.get("version") != folder["version"]:
        raise Refusal(412, "the folder has been changed by someone else", "version-mismatch")
    folder["title"] = body["title"]
    folder["version"] += 1
    return folder_seen(folder)


def move_folder(uid, body):
    folder = get_folder(uid)
    folder.pop("parentUid", None)
    if body.get("parentUid"):
        folder["parentUid"] = get_folder(body["parentUid"])["uid"]
    folder["version"] += 1
    return folder_seen(folder)


def remove_folder(uid):
    get_folder(uid)
    for kind in ("dashboards", "folders"):
        for other, one in list(STATE[kind].items()):
            if one.get("folderUid", one.get("parentUid", "")) == uid:
                del STATE[kind][other]
    del STATE["folders"][uid]
    return {"message": "Folder deleted"}


# ---- data sources ----


def source_seen(source):
    out = {k: v for k, v in source.items() if k != "secureJsonData"}
    out["secureJsonFields"] = {key: True for key in source.get("secureJsonData", {})}
    return out


def get_source(uid):
    if uid not in STATE["datasources"]:
        raise Refusal(404, "Data source not found")
    return STATE["datasources"][uid]


def make_source(body):
    if any(s["uid"] == body.get("uid") or s["name"] == body["name"] for s in STATE["datasources"].values()):
        raise Refusal(409, "data source with the same name already exists")
    defaults = {"url": "", "user": "", "database": "", "basicAuth": False, "basicAuthUser": "",
                "withCredentials": False, "isDefault": False, "jsonData": {}, "secureJsonData": {}}
    source = {**defaults, **body, "id": next_id(), "orgId": 1, "version": 1, "readOnly": False,
              "typeLogoUrl": "public/img/icn-datasource.svg"}
    STATE["datasources"][source["uid"]] = source
    return {"datasource": source_seen(source), "id": source["id"], "message": "Datasource added",
            "name": source["name"]}


def change_source(uid, body):
    source = get_source(uid)
    if source["readOnly"]:
        raise Refusal(403, "Cannot update read-only data source")
    if body.get("version") and source["version"] > body["version"]:
        raise Refusal(409, "Datasource has already been updated by someone else. Please reload and try again")
    secrets = {**source["secureJsonData"], **body.get("secureJsonData", {})}
    source.update({**body, "secureJsonData": secrets, "version": source["version"] + 1})
    return {"datasource": source_seen(source), "id": source["id"], "message": "Datasource updated",
            "name": source["name"]}


def remove_source(uid):
    if get_source(uid)["readOnly"]:
        raise Refusal(403, "Cannot delete read-only data source")
    del STATE["datasources"][uid]
    return {"message": "Data source deleted"}


# ---- dashboards ----


def get_dashboard(uid):
    if uid not in STATE["dashboards"]:
        raise Refusal(404, "Dashboard not found")
    return STATE["dashboards"][uid]


def dashboard_seen(one):
    folder = STATE["folders"].get(one["folderUid"], {})
    return {"dashboard": one["model"],
            "meta": {"type": "db", "canSave": True, "slug": "x", "url": "/d/" + one["model"]["uid"] + "/x",
                     "version": one["model"]["version"], "folderUid": one["folderUid"],
                     "folderTitle": folder.get("title", "General"), "provisioned": one["provisioned"],
                     "isFolder": False}}


def put_dashboard(body):
    model = dict(body["dashboard"])
    if not model.get("title"):
        raise Refusal(400, "Dashboard title cannot be empty", "empty-name")
    folder = body.get("folderUid") or ""
    if folder:
        get_folder(folder)
    uid = model.get("uid") or "made-" + str(next_id())
    old = STATE["dashboards"].get(uid)
    if old and old["provisioned"]:
        raise Refusal(400, "Cannot save provisioned dashboard")
    if model.get("id") and not old:
        raise Refusal(404, "Dashboard not found", "not-found")
    if not body.get("overwrite"):
        if old and model.get("version") != old["model"]["version"]:
            raise Refusal(412, "The dashboard has been changed by someone else", "version-mismatch")
        for other, one in STATE["dashboards"].items():
            if other != uid and one["model"]["title"] == model["title"] and one["folderUid"] == folder:
                raise Refusal(412, "A dashboard with the same name in the folder already exists",
                              "name-exists")
    model["uid"] = uid
    model["id"] = old["model"]["id"] if old else next_id()
    model["version"] = old["model"]["version"] + 1 if old else 1
    STATE["dashboards"][uid] = {"model": model, "folderUid": folder, "provisioned": False}
    return {"id": model["id"], "uid": uid, "url": "/d/" + uid + "/x", "status": "success",
            "version": model["version"], "slug": "x"}


def remove_dashboard(uid):
    if get_dashboard(uid)["provisioned"]:
        raise Refusal(400, "provisioned dashboard cannot be deleted")
    title = STATE["dashboards"].pop(uid)["model"]["title"]
    return {"title": title, "message": "Dashboard " + title + " deleted"}


def search(query):
    hits = [{"id": f["id"], "uid": f["uid"], "title": f["title"], "type": "dash-folder",
             "folderUid": f.get("parentUid", "")} for f in STATE["folders"].values()]
    hits += [{"id": d["model"]["id"], "uid": uid, "title": d["model"]["title"], "type": "dash-db",
              "folderUid": d["folderUid"]} for uid, d in STATE["dashboards"].items()]
    for key, field in (("type", "type"), ("folderUIDs", "folderUid")):
        if key in query:
            hits = [h for h in hits if h[field] in query[key]]
    limit, page = int(query.get("limit", ["1000"])[0]), int(query.get("page", ["1"])[0])
    return hits[(page - 1) * limit:page * limit]


def answer(method, path, query, body):
    parts = [unquote(p) for p in path.strip("/").split("/")][1:]
    match (method, *parts):
        case ("GET", "health"):
            return {"database": "ok", "version": "documented"}
        case ("GET", "search"):
            return search(query)
        case ("POST", "folders"):
            return make_folder(body)
        case ("GET", "folders", uid):
            return folder_seen(get_folder(uid))
        case ("PUT", "folders", uid):
            return change_folder(uid, body)
        case ("POST", "folders", uid, "move"):
            return move_folder(uid, body)
        case ("DELETE", "folders", uid):
            return remove_folder(uid)
        case ("GET", "datasources"):
            return [source_seen(s) for s in STATE["datasources"].values()]
        case ("POST", "datasources"):
            return make_source(body)
        case ("GET", "datasources", "uid", uid):
            return source_seen(get_source(uid))
        case ("PUT", "datasources", "uid", uid):
            return change_source(uid, body)
        case ("DELETE", "datasources", "uid", uid):
            return remove_source(uid)
        case ("POST", "dashboards", "db"):
            return put_dashboard(body)
        case ("GET", "dashboards", "uid", uid):
            return dashboard_seen(get_dashboard(uid))
        case ("DELETE", "dashboards", "uid", uid):
            return remove_dashboard(uid)
    raise Refusal(404, "Not found")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for each answer
    disable_nagle_algorithm = True

    def log_message(self, *words):
        pass

    def send(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self):
        url = urlparse(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/state":  # the test's own door
            if self.command == "POST":
                STATE.update(json.loads(data))
            return self.send(200, STATE)
        if self.headers.get("Authorization") != "Bearer " + TOKEN:
            return self.send(401, {"message": "Invalid API key"})
        if STATE["broken"]:
            return self.send(503, {"message": "database is locked"})
        if self.command != "GET":
            STATE["log"].append(self.command + " " + self.path)
            if STATE["down"]:
                return self.send(503, {"message": "database is locked"})
        try:
            result = answer(self.command, url.path, parse_qs(url.query), json.loads(data) if data else None)
        except Refusal as why:
            return self.send(why.code, why.body)
        if STATE["drop"] and self.command == STATE["drop"]:  # done, and nobody is told
            STATE["drop"] = ""
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            return self.end_headers()
        self.send(200, result)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
