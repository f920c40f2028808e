// Asks who it is, takes one text through KMS and S3, and prints one line of JSON.
// Its arguments: a KMS key (an alias will do) and a bucket, which it creates.
import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

async function ask(key, bucket) {
  const identity = await new STSClient().send(new GetCallerIdentityCommand());

  const kms = new KMSClient();
  const encrypted = await kms.send(new EncryptCommand({ KeyId: key, Plaintext: Buffer.from("hello") }));
  const decrypted = await kms.send(new DecryptCommand({ CiphertextBlob: encrypted.CiphertextBlob }));

  const s3 = new S3Client();
  const object = { Bucket: bucket, Key: "hello" };
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  await s3.send(new PutObjectCommand({ ...object, Body: "hello" }));
  const got = await s3.send(new GetObjectCommand(object));
  const listed = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));

  return {
    arn: identity.Arn,
    plaintext: Buffer.from(decrypted.Plaintext).toString(),
    s3: await got.Body.transformToString(),
    listed: listed.Contents.map((object) => object.Key).join(" "),
  };
}

const [key, bucket] = process.argv.slice(2);
if (!bucket) {
  console.error("usage: probe.js KEY BUCKET");
  process.exit(2);
}
const failure = (error) => ({ error: error.name, message: error.message });
console.log(JSON.stringify(await ask(key, bucket).catch(failure)));
