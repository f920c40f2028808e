"""Stands in for AWS STS: answers nothing that is not signed by Signature Version 4, which the AWS SDK's own signer checks.

Assumes every role but `denied`, knows the credentials that it handed out, and prints a line of JSON for each request.
"""

import hmac
import json
import os
import re
import ssl
import threading
import urllib.parse
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/sts/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=(\w{64})$"
)
# Access key id -> secret, session token, ARN.
KNOWN = {os.environ["BASE_KEY"]: (os.environ["BASE_SECRET"], os.environ.get("BASE_TOKEN"), "arn:aws:iam::999999999999:user/base")}


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def caller(method, path, headers, body):
    """The ARN of who signed, or Refused."""
    match = AUTHORIZATION.match(headers.get("Authorization", ""))
    if not match:
        raise Refused(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    key, region, signed, signature = match.groups()
    if key not in KNOWN:
        raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    secret, token, arn = KNOWN[key]
    signed = signed.split(";")
    date = headers.get("X-Amz-Date", "")
    age = datetime.now(timezone.utc) - datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    if abs(age) > timedelta(minutes=5):
        raise Refused(403, "SignatureDoesNotMatch", "Signature expired")
    if not {"host", "x-amz-date"} <= set(signed) or (token and "x-amz-security-token" not in signed):
        raise Refused(403, "SignatureDoesNotMatch", "A header that must be signed is not")
    if token and not hmac.compare_digest(headers.get("X-Amz-Security-Token", ""), token):
        raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    request = AWSRequest(
        method=method,
        url=f"https://{headers['Host']}{path}",
        data=body,
        headers={name: headers[name] for name in signed},
    )
    request.context["timestamp"] = date
    signer = SigV4Auth(Credentials(key, secret, token), "sts", region)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if not hmac.compare_digest(expected, signature):
        raise Refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
    return arn


def assume_role(form):
    role = form["RoleArn"]
    account, name = role.split(":")[4], role.rsplit("/", 1)[1]
    if name == "denied":
        raise Refused(403, "AccessDenied", f"User: arn:aws:iam::999999999999:user/base is not authorized to perform: sts:AssumeRole on resource: {role}")
    key, secret, token = "ASIA" + uuid.uuid4().hex[:16].upper(), uuid.uuid4().hex, uuid.uuid4().hex * 4
    arn = f"arn:aws:sts::{account}:assumed-role/{name}/{form['RoleSessionName']}"
    KNOWN[key] = (secret, token, arn)
    end = datetime.now(timezone.utc) + timedelta(seconds=int(form.get("DurationSeconds", 3600)))
    return (
        f"<AssumedRoleUser><Arn>{escape(arn)}</Arn><AssumedRoleId>AROAE2ETESTROLE000000:{escape(form['RoleSessionName'])}</AssumedRoleId></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
        f"<Expiration>{end.strftime('%Y-%m-%dT%H:%M:%SZ')}</Expiration></Credentials>"
    )


def listed(form, kind, *fields):
    """Entries `Tags.member.1.Key` and so on."""
    entries = []
    while f"{kind}.member.{len(entries) + 1}{fields[0] if fields else ''}" in form:
        place = f"{kind}.member.{len(entries) + 1}"
        entries.append([form.get(place + field, "") for field in fields] if fields else form[place])
    return entries


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = dict(urllib.parse.parse_qsl(body.decode()))
        action, told = form.get("Action", ""), {"action": form.get("Action"), "tls": isinstance(self.connection, ssl.SSLSocket)}
        try:
            arn = caller("POST", self.path, self.headers, body)
            told |= {"caller": arn}
            if action == "AssumeRole":
                told |= {"role": form["RoleArn"], "session": form["RoleSessionName"], "duration": form.get("DurationSeconds")}
                told |= {"tags": dict(listed(form, "Tags", ".Key", ".Value")), "transitive": listed(form, "TransitiveTagKeys")}
                result = assume_role(form)
            elif action == "GetCallerIdentity":
                result = f"<Arn>{escape(arn)}</Arn><UserId>AROAE2ETESTROLE000000</UserId><Account>{arn.split(':')[4]}</Account>"
            else:
                raise Refused(400, "InvalidAction", action)
            status = 200
            text = f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{result}</{action}Result></{action}Response>'
        except Refused as error:
            status = error.status
            told |= {"refused": error.code}
            text = (
                f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{error.code}</Code>'
                f"<Message>{escape(error.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
            )
        print(json.dumps(told), flush=True)
        answer = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


def serve(port, tls):
    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


threading.Thread(target=serve, args=(8080, False), daemon=True).start()
serve(8443, True)
