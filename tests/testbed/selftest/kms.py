"""Asks the endpoint who calls, and has a key of its own encrypt and decrypt."""
import boto3

account = boto3.client("sts").get_caller_identity()["Account"]
kms = boto3.client("kms")
key = kms.create_key()["KeyMetadata"]["KeyId"]
blob = kms.encrypt(KeyId=key, Plaintext=b"plain")["CiphertextBlob"]
print(account, kms.decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"].decode())
