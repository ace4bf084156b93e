"""Cameras that answer as real ones do when something is wrong: `web` over HTTP and HTTPS, `rtsp` over RTSP.

Says `listening on PORT` on loopback and serves until it is killed.
"""

import argparse
import base64
import hashlib
import http.server
import re
import socketserver
import ssl
import time
import urllib.parse

arguments = argparse.ArgumentParser()
arguments.add_argument("kind", choices=["web", "rtsp"])
arguments.add_argument("--picture", help="a JPEG file, sent as MJPEG at /video")
arguments.add_argument("--file", help="any file, sent at /file")
arguments.add_argument("--certificate")
arguments.add_argument("--key")
arguments.add_argument("--user")
arguments.add_argument("--password")
arguments.add_argument("--auth", choices=["basic", "digest"], default="basic")
arguments = arguments.parse_args()

REALM, NONCE = "camera", "0a1b2c3d4e5f"


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def may_enter(method, header):
    """Whether an Authorization header is right, by RFC 7617 (UTF-8) and RFC 2617."""
    if header is None:
        return False
    # Of a header each byte is a character.
    header = header.encode("latin-1").decode("utf-8", "replace")
    if arguments.auth == "basic":
        known = base64.b64encode(f"{arguments.user}:{arguments.password}".encode()).decode()
        return header == f"Basic {known}"
    fields = dict(re.findall(r'(\w+)="?((?:[^",\\]|\\.)*)"?', header))
    first = md5(f"{arguments.user}:{REALM}:{arguments.password}")
    second = md5(f"{method}:{fields.get('uri')}")
    if "qop" in fields:
        between = f"{NONCE}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
    else:
        between = NONCE
    return fields.get("response") == md5(f"{first}:{between}:{second}")


PAGES = {
    "/page": ("text/html", b"<!DOCTYPE html>\n<html><head><title>Login</title></head><body>hello</body></html>"),
    "/page-as-stream": ("application/octet-stream", b"<html><body>hello</body></html>"),
    "/error": ("application/json; charset=utf-8", b'{"error": "no session"}'),
    "/status": ("text/xml", b'<?xml version="1.0"?><ResponseStatus><statusCode>4</statusCode></ResponseStatus>'),
    "/manual": ("application/pdf", b"%PDF-1.4\n" + b"x" * 1000),
    "/empty": ("text/plain", b""),
    "/page-as-picture": ("image/jpeg", b"<!DOCTYPE html><html><head><title>Login</title></head></html>"),
    "/error-as-picture": ("image/jpeg", b'{"error": "no session"}'),
    "/empty-as-picture": ("image/jpeg", b""),
    "/png-parts": (
        "multipart/x-mixed-replace; boundary=b",
        b"--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n" + bytes(3000) + b"\r\n--b--\r\n",
    ),
    "/bmp": ("image/bmp", b"BM\x36\xe1" + bytes(60000)),
    "/gif": ("image/gif", b"GIF89a" + bytes(3000)),
}


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, kind, body, **headers):
        self.send_response(status)
        for name, value in {"Content_Type": kind, "Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if arguments.user and not may_enter("GET", self.headers["Authorization"]):
            digest = f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"'
            asked = digest if arguments.auth == "digest" else f'Basic realm="{REALM}", charset="UTF-8"'
            return self.answer(401, "text/plain", b"", WWW_Authenticate=asked)
        if path.strip("/").isdigit():
            return self.answer(int(path.strip("/")), "text/html", b"<html>no</html>", WWW_Authenticate='Basic realm="x"')
        if path == "/file":
            return self.answer(200, "application/octet-stream", open(arguments.file, "rb").read())
        if path in PAGES:
            return self.answer(200, *PAGES[path])
        picture = open(arguments.picture, "rb").read()
        if path == "/broken-picture":
            self.close_connection = True
            return self.answer(200, "image/jpeg", picture[: len(picture) // 2], Content_Length=str(len(picture)))
        kind, part = ("text/html", b"<html>login</html>") if path == "/page-for-ever" else ("image/jpeg", picture)
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        try:
            while True:
                head = f"--next\r\nContent-Type: {kind}\r\nContent-Length: {len(part)}\r\n\r\n"
                self.wfile.write(head.encode() + part + b"\r\n")
                time.sleep(0.1)
        except OSError:
            pass


SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t1\r\n"


class Rtsp(socketserver.StreamRequestHandler):
    """`/461-SETUP` answers SETUP with 461. What it refuses it repeats, as servers do that log to their clients."""

    def handle(self):
        while True:
            try:
                head = []
                while line := self.rfile.readline().decode("utf-8", "replace").strip():
                    head.append(line)
                if not head:
                    return
                self.answer(*head[0].split(" ")[:2], head)
            except OSError:
                return

    def answer(self, method, url, head):
        number = next((line.split(":")[1].strip() for line in head if line.lower().startswith("cseq")), "0")
        asked = re.search(r"/(\d{3})-([A-Z]+)", url)
        status, headers, body = "200 OK", "Session: 1\r\n", ""
        if asked and asked[2] == method:
            status, headers = f"{asked[1]} Because of {urllib.parse.unquote(url)}", ""
        elif not asked and method == "DESCRIBE":
            status, headers = f"404 No stream {urllib.parse.unquote(url)}", ""
        elif method == "DESCRIBE":
            headers, body = f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\nContent-Length: {len(SDP)}\r\n", SDP
        elif method == "OPTIONS":
            headers = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "SETUP":
            headers += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        # A line of a header ends where it does.
        status = re.sub(r"[\r\n]", " ", status)
        self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{headers}\r\n{body}".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Web if arguments.kind == "web" else Rtsp)
if arguments.certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(f"listening on {server.server_address[1]}", flush=True)
server.serve_forever()
