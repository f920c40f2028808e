//! Asks who it is, takes one text through KMS and S3, and prints one line of JSON.
//! Its arguments: a KMS key (an alias will do) and a bucket, which it creates.

use aws_config::BehaviorVersion;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::{json, Value};

/// What the SDK says of a failure: the code that AWS gave it, if it came that far.
fn failure(error: impl ProvideErrorMetadata + std::error::Error) -> Value {
    json!({"error": error.code().unwrap_or("Failure"), "message": DisplayErrorContext(&error).to_string()})
}

async fn ask(key: &str, bucket: &str) -> Result<Value, Value> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let identity = aws_sdk_sts::Client::new(&config)
        .get_caller_identity()
        .send()
        .await
        .map_err(failure)?;

    let kms = aws_sdk_kms::Client::new(&config);
    let encrypted = kms
        .encrypt()
        .key_id(key)
        .plaintext(Blob::new("hello"))
        .send()
        .await
        .map_err(failure)?;
    let blob = encrypted.ciphertext_blob.unwrap_or_else(|| Blob::new(""));
    let decrypted = kms
        .decrypt()
        .ciphertext_blob(blob)
        .send()
        .await
        .map_err(failure)?;
    let plaintext = decrypted.plaintext.map(Blob::into_inner).unwrap_or_default();

    let s3 = aws_sdk_s3::Client::new(&config);
    s3.create_bucket().bucket(bucket).send().await.map_err(failure)?;
    s3.put_object()
        .bucket(bucket)
        .key("hello")
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .map_err(failure)?;
    let object = s3
        .get_object()
        .bucket(bucket)
        .key("hello")
        .send()
        .await
        .map_err(failure)?;
    let content = object
        .body
        .collect()
        .await
        .map_err(|error| json!({"error": "Failure", "message": error.to_string()}))?
        .into_bytes();
    let list = s3
        .list_objects_v2()
        .bucket(bucket)
        .send()
        .await
        .map_err(failure)?;
    let listed: Vec<&str> = list.contents().iter().filter_map(|object| object.key()).collect();

    Ok(json!({
        "arn": identity.arn,
        "plaintext": String::from_utf8_lossy(&plaintext),
        "s3": String::from_utf8_lossy(&content),
        "listed": listed.join(" "),
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(key), Some(bucket)) = (args.next(), args.next()) else {
        eprintln!("usage: probe KEY BUCKET");
        std::process::exit(2);
    };
    println!("{}", ask(&key, &bucket).await.unwrap_or_else(|failure| failure));
}
