"""boto3 as it comes, on a tour of CloudWatch Logs, STS and IAM; prints nothing when all is as on AWS. The function `talker` has said `boto`."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

session = boto3.Session(region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
client = session.client("logs", endpoint_url=sys.argv[1])


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

who = session.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()
assert (who["Account"], who["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root"), who

iam = session.client("iam", endpoint_url=sys.argv[1])
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
tags = [{"Key": "team", "Value": "a & <b>"}]
made = iam.create_role(RoleName="boto", AssumeRolePolicyDocument=json.dumps(trust), Description="x", Tags=tags)["Role"]
assert made["Arn"] == "arn:aws:iam::000000000000:role/boto", made
role = iam.get_role(RoleName="boto")["Role"]
assert (role["AssumeRolePolicyDocument"], role["Tags"], role["MaxSessionDuration"]) == (trust, tags, 3600), role
assert role["CreateDate"] == made["CreateDate"], role
iam.put_role_policy(RoleName="boto", PolicyName="inline", PolicyDocument=json.dumps(trust))
assert iam.get_role_policy(RoleName="boto", PolicyName="inline")["PolicyDocument"] == trust
iam.attach_role_policy(RoleName="boto", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
attached = iam.list_attached_role_policies(RoleName="boto")["AttachedPolicies"]
assert [policy["PolicyName"] for policy in attached] == ["AWSLambdaBasicExecutionRole"], attached
refused("DeleteConflict", lambda: iam.delete_role(RoleName="boto"))
iam.detach_role_policy(RoleName="boto", PolicyArn=attached[0]["PolicyArn"])
iam.delete_role_policy(RoleName="boto", PolicyName="inline")
iam.delete_role(RoleName="boto")
refused("NoSuchEntity", lambda: iam.get_role(RoleName="boto"))
refused("InvalidAction", lambda: iam.list_users())
