"""Calls KMS from many threads, each call with credentials of its own, until /tmp/stop exists; prints what failed.

/tmp/ok grows by a byte with every call that succeeds."""

import collections
import json
import os
import threading
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

THREADS = 8
counts = collections.Counter()


def call():
    # A session of its own: nothing that an earlier call has fetched is used again.
    kms = boto3.session.Session().client("kms")
    blob = kms.encrypt(KeyId="alias/e2e", Plaintext=b"hello")["CiphertextBlob"]
    return kms.decrypt(CiphertextBlob=blob)["Plaintext"]


def client():
    while not os.path.exists("/tmp/stop"):
        try:
            right = call() == b"hello"
            counts["ok" if right else "wrong"] += 1
            if right:
                with open("/tmp/ok", "ab") as ok:
                    ok.write(b".")
        except ClientError as error:
            counts[f"{error.operation_name}: {error.response['Error']['Code']}"] += 1
        except BotoCoreError as error:
            counts[type(error).__name__] += 1
        time.sleep(0.5)


threads = [threading.Thread(target=client) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(counts))
