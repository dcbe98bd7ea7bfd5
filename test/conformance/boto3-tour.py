"""boto3 as it comes, on a tour of versions, aliases and concurrency; prints nothing when all is as on Lambda."""

import io
import json
import sys
import zipfile

import boto3
from botocore.exceptions import ClientError

client = boto3.client(
    "lambda",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local",
)


def archive(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.js", source)
    return buffer.getvalue()


def refused(code, status, call):
    try:
        call()
    except ClientError as error:
        found = error.response
        assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), found
        return found["Error"]["Message"]
    raise AssertionError(f"not refused with {code}")


def invoke(**more):
    answer = client.invoke(FunctionName="boto", **more)
    return answer["ExecutedVersion"], json.load(answer["Payload"])


CODE = "exports.handler = async (_, context) => [process.env.AWS_LAMBDA_FUNCTION_VERSION, context.invokedFunctionArn];"
created = client.create_function(
    FunctionName="boto",
    Runtime="nodejs24.x",
    Handler="index.handler",
    Role="arn:aws:iam::000000000000:role/r",
    Code={"ZipFile": archive(CODE)},
    Publish=True,
)
assert (created["Version"], created["State"]) == ("1", "Pending"), created
client.get_waiter("function_active_v2").wait(FunctionName="boto")
arn = client.get_function(FunctionName="boto")["Configuration"]["FunctionArn"]
assert client.publish_version(FunctionName="boto")["Version"] == "1"
client.update_function_configuration(FunctionName="boto", Description="changed")
client.get_waiter("function_updated_v2").wait(FunctionName="boto")
assert client.publish_version(FunctionName="boto")["FunctionArn"] == f"{arn}:2"

client.create_alias(FunctionName="boto", Name="live", FunctionVersion="1")
assert invoke(Qualifier="live") == ("1", ["1", f"{arn}:live"])
assert invoke(Qualifier="2") == ("2", ["2", f"{arn}:2"])
assert invoke() == ("$LATEST", ["$LATEST", arn])
client.update_alias(FunctionName="boto", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
assert invoke(Qualifier="live")[0] == "2"
assert client.get_alias(FunctionName="boto", Name="live")["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 1.0}}
pages = client.get_paginator("list_versions_by_function").paginate(FunctionName="boto", PaginationConfig={"PageSize": 2})
assert [each["Version"] for page in pages for each in page["Versions"]] == ["$LATEST", "1", "2"]
assert [each["Name"] for each in client.list_aliases(FunctionName="boto")["Aliases"]] == ["live"]

message = refused("ResourceNotFoundException", 404, lambda: client.get_alias(FunctionName="boto", Name="none"))
assert message == f"Cannot find alias arn: {arn}:none", message
refused("ResourceConflictException", 409, lambda: client.delete_function(FunctionName="boto", Qualifier="1"))
refused("PreconditionFailedException", 412, lambda: client.publish_version(FunctionName="boto", RevisionId="stale"))

client.put_function_concurrency(FunctionName="boto", ReservedConcurrentExecutions=5)
assert client.get_function(FunctionName="boto")["Concurrency"] == {"ReservedConcurrentExecutions": 5}
put = client.put_provisioned_concurrency_config(FunctionName="boto", Qualifier="1", ProvisionedConcurrentExecutions=1)
assert put["RequestedProvisionedConcurrentExecutions"] == 1, put
refused(
    "InvalidParameterValueException",
    400,
    lambda: client.put_provisioned_concurrency_config(
        FunctionName="boto", Qualifier="2", ProvisionedConcurrentExecutions=5
    ),
)
client.delete_provisioned_concurrency_config(FunctionName="boto", Qualifier="1")
client.delete_function_concurrency(FunctionName="boto")
client.delete_alias(FunctionName="boto", Name="live")
client.delete_function(FunctionName="boto")
refused("ResourceNotFoundException", 404, lambda: client.get_function(FunctionName="boto"))
