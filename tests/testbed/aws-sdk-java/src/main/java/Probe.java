import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.sts.StsClient;

/**
 * Asks who it is, takes one text through KMS and S3, and prints one line of JSON.
 * Its arguments: a KMS key (an alias will do) and a bucket, which it creates.
 */
public final class Probe {
  private static Map<String, String> ask(String key, String bucket) {
    var answer = new LinkedHashMap<String, String>();
    answer.put("arn", StsClient.create().getCallerIdentity().arn());

    var kms = KmsClient.create();
    var blob = kms.encrypt(r -> r.keyId(key).plaintext(SdkBytes.fromUtf8String("hello"))).ciphertextBlob();
    answer.put("plaintext", kms.decrypt(r -> r.ciphertextBlob(blob)).plaintext().asUtf8String());

    var s3 = S3Client.create();
    s3.createBucket(r -> r.bucket(bucket));
    s3.putObject(r -> r.bucket(bucket).key("hello"), RequestBody.fromString("hello"));
    answer.put("s3", s3.getObjectAsBytes(r -> r.bucket(bucket).key("hello")).asUtf8String());
    var listed = s3.listObjectsV2(r -> r.bucket(bucket)).contents();
    answer.put("listed", listed.stream().map(S3Object::key).collect(Collectors.joining(" ")));
    return answer;
  }

  private static Map<String, String> failure(SdkException error) {
    var answer = new LinkedHashMap<String, String>();
    var details = error instanceof AwsServiceException said ? said.awsErrorDetails() : null;
    var code = details == null ? null : details.errorCode();
    answer.put("error", code == null ? "Failure" : code);
    answer.put("message", String.valueOf(error.getMessage()));
    return answer;
  }

  private static String json(Map<String, String> answer) {
    return answer.entrySet().stream()
        .map(entry -> quoted(entry.getKey()) + ": " + quoted(entry.getValue()))
        .collect(Collectors.joining(", ", "{", "}"));
  }

  private static String quoted(String text) {
    var quoted = new StringBuilder("\"");
    for (var letter : text.toCharArray()) {
      if (letter == '"' || letter == '\\') {
        quoted.append('\\').append(letter);
      } else {
        quoted.append(letter < ' ' ? ' ' : letter);
      }
    }
    return quoted.append('"').toString();
  }

  public static void main(String[] args) {
    if (args.length != 2) {
      System.err.println("usage: Probe KEY BUCKET");
      System.exit(2);
    }
    Map<String, String> answer;
    try {
      answer = ask(args[0], args[1]);
    } catch (SdkException error) {
      answer = failure(error);
    }
    System.out.println(json(answer));
  }
}
