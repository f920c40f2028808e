"""Uses services beyond the identity ones, each as an app would, and prints one line of JSON: what came back, by service.

Only the SDK's default credential chain and endpoints. The names are of this run, so that another one finds nothing in its way.
"""

import json
import socket
import time
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A service is loaded when it is first called, which takes a busy machine a while.
CONFIG = Config(read_timeout=120, retries={"max_attempts": 2})
RUN = str(int(time.time()))


def client(name):
    return boto3.client(name, config=CONFIG)


def queue(name):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=f"{name}-{RUN}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, attributes["QueueArn"]


def received(url):
    until = time.time() + 60
    while time.time() < until:
        messages = client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages")
        if messages:
            return json.loads(messages[0]["Body"])
    raise TimeoutError("no message")


def queue_url():
    """Some SDKs send to the host of the URL, whatever their endpoint is."""
    where = urlsplit(queue("url")[0])
    socket.create_connection((where.hostname, where.port), timeout=10).close()
    return True


def sns_to_sqs():
    url, arn = queue("subscriber")
    topic = client("sns").create_topic(Name=f"topic-{RUN}")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    client("sns").publish(TopicArn=topic, Message="hello")
    return received(url)["Message"]


def dynamodb():
    table = f"table-{RUN}"
    client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "number", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client("dynamodb").get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    for number in "123":
        client("dynamodb").put_item(
            TableName=table, Item={"id": {"S": "a"}, "number": {"N": number}, "text": {"S": f"hello {number}"}}
        )
    item = client("dynamodb").get_item(TableName=table, Key={"id": {"S": "a"}, "number": {"N": "2"}})["Item"]
    found = client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="id = :id AND #number > :number",
        ExpressionAttributeNames={"#number": "number"},
        ExpressionAttributeValues={":id": {"S": "a"}, ":number": {"N": "1"}},
    )
    return [item["text"]["S"], found["Count"]]


def cloudformation():
    stack, name = f"stack-{RUN}", f"of-stack-{RUN}"
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}}}
    client("cloudformation").create_stack(StackName=stack, TemplateBody=json.dumps(template))
    client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 90}
    )
    return client("sqs").get_queue_url(QueueName=name)["QueueUrl"].endswith(name)


def eventbridge():
    url, arn = queue("events")
    rule = f"rule-{RUN}"
    client("events").put_rule(Name=rule, EventPattern=json.dumps({"source": ["e2e"]}))
    client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    client("events").put_events(
        Entries=[
            {"Source": "other", "DetailType": "d", "Detail": json.dumps({"text": "not this one"})},
            {"Source": "e2e", "DetailType": "d", "Detail": json.dumps({"text": "hello"})},
        ]
    )
    return received(url)["detail"]["text"]


def logs():
    group = f"group-{RUN}"
    client("logs").create_log_group(logGroupName=group)
    client("logs").create_log_stream(logGroupName=group, logStreamName="stream")
    event = {"timestamp": int(time.time() * 1000), "message": "hello"}
    client("logs").put_log_events(logGroupName=group, logStreamName="stream", logEvents=[event])
    return client("logs").get_log_events(logGroupName=group, logStreamName="stream")["events"][0]["message"]


answer = {}
for use in [queue_url, sns_to_sqs, dynamodb, cloudformation, eventbridge, logs]:
    try:
        answer[use.__name__] = use()
    except (BotoCoreError, ClientError, OSError, KeyError) as error:
        answer[use.__name__] = f"{type(error).__name__}: {error}"
print(json.dumps(answer))
