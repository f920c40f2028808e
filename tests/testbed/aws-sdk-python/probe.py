"""Asks who it is, takes one text through KMS and S3, and prints one line of JSON.

Its arguments: a KMS key (an alias will do) and a bucket, which it creates.
"""

import json
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def ask(key, bucket):
    arn = boto3.client("sts").get_caller_identity()["Arn"]

    kms = boto3.client("kms")
    blob = kms.encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    plaintext = kms.decrypt(CiphertextBlob=blob)["Plaintext"].decode()

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="hello", Body=b"hello")
    content = s3.get_object(Bucket=bucket, Key="hello")["Body"].read().decode()
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    return {"arn": arn, "plaintext": plaintext, "s3": content, "listed": " ".join(item["Key"] for item in listed)}


if len(sys.argv) != 3:
    sys.exit("usage: probe.py KEY BUCKET")
try:
    answer = ask(*sys.argv[1:])
except ClientError as error:
    answer = {"error": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
except BotoCoreError as error:
    answer = {"error": "Failure", "message": str(error)}
print(json.dumps(answer))
