"""boto3 as it comes, on a tour of CloudWatch Logs; prints nothing when all is as on AWS. The function `talker` has said `boto`."""

import sys

import boto3
from botocore.exceptions import ClientError

client = boto3.client(
    "logs",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local",
)


def refused(code, call):
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return
    raise AssertionError(f"not refused with {code}")


GROUP = "/aws/lambda/talker"
groups = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/aws/lambda/")
assert [group["logGroupName"] for page in groups for group in page["logGroups"]] == [GROUP]

pages = client.get_paginator("filter_log_events").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 2})
events = [event for page in pages for event in page["events"]]
assert len({event["eventId"] for event in events}) == len(events) >= 5, events
assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events), events
assert sum("INFO\tboto" in event["message"] for event in events) == 1, events

stream = client.describe_log_streams(logGroupName=GROUP, limit=1)["logStreams"][0]["logStreamName"]
found, token = [], None
while True:
    more = {} if token is None else {"nextToken": token}
    page = client.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=2, **more)
    if page["nextForwardToken"] == token:
        break
    token = page["nextForwardToken"]
    found += [event["message"] for event in page["events"]]
assert found == [event["message"] for event in events if event["logStreamName"] == stream], found

arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/later"
client.create_log_group(logGroupName="/aws/lambda/later", tags={"team": "a"})
refused("ResourceAlreadyExistsException", lambda: client.create_log_group(logGroupName="/aws/lambda/later"))
client.put_retention_policy(logGroupName="/aws/lambda/later", retentionInDays=14)
client.tag_resource(resourceArn=arn, tags={"stage": "x"})
assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a", "stage": "x"}
later = client.describe_log_groups(logGroupNamePrefix="/aws/lambda/later")["logGroups"][0]
assert (later["retentionInDays"], later["arn"]) == (14, f"{arn}:*"), later
client.delete_log_group(logGroupName="/aws/lambda/later")
refused("ResourceNotFoundException", lambda: client.filter_log_events(logGroupName="/aws/lambda/later"))
refused("ResourceNotFoundException", lambda: client.get_log_events(logGroupName=GROUP, logStreamName="none"))
refused("UnknownOperationException", lambda: client.describe_queries())
