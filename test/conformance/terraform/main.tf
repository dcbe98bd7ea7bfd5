# What templates make around a function. `greeting` is what changes.
variable "endpoint" {}
variable "greeting" { default = "hello" }
variable "queue_arn" {}
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "local"
  secret_key                  = "local"
  skip_metadata_api_check     = true
  skip_region_validation      = true
  endpoints {
    lambda = var.endpoint
    iam    = var.endpoint
    sts    = var.endpoint
    logs   = var.endpoint
  }
}
data "aws_caller_identity" "me" {}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}
data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["logs:PutLogEvents"]
    resources = ["*"]
  }
}
resource "aws_iam_role" "role" {
  name               = "tf-role"
  description        = var.greeting
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = { team = var.greeting }
}
resource "aws_iam_role_policy_attachment" "basic" {
  role       = aws_iam_role.role.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}
resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.role.id
  policy = data.aws_iam_policy_document.logs.json
}
resource "aws_iam_policy" "own" {
  name   = "tf-policy"
  policy = data.aws_iam_policy_document.logs.json
}
resource "aws_iam_role_policy_attachment" "own" {
  role       = aws_iam_role.role.name
  policy_arn = aws_iam_policy.own.arn
}
resource "aws_cloudwatch_log_group" "log" {
  name              = "/aws/lambda/tf"
  retention_in_days = var.greeting == "hello" ? 14 : 7
}
resource "aws_lambda_layer_version" "layer" {
  layer_name          = "tf-layer"
  filename            = "${path.module}/layer.zip"
  source_code_hash    = filebase64sha256("${path.module}/layer.zip")
  compatible_runtimes = ["nodejs22.x"]
}
resource "aws_lambda_function" "function" {
  function_name    = "tf"
  role             = aws_iam_role.role.arn
  runtime          = "nodejs22.x"
  handler          = "index.handler"
  filename         = "${path.module}/code.zip"
  source_code_hash = filebase64sha256("${path.module}/code.zip")
  layers           = [aws_lambda_layer_version.layer.arn]
  publish          = true
  environment {
    variables = { GREETING = var.greeting }
  }
  tags       = { team = var.greeting }
  depends_on = [aws_cloudwatch_log_group.log]
}
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.function.function_name
  function_version = aws_lambda_function.function.version
}
resource "aws_lambda_provisioned_concurrency_config" "held" {
  function_name                     = aws_lambda_alias.live.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.greeting == "hello" ? 1 : 2
}
resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn                   = var.queue_arn
  function_name                      = aws_lambda_alias.live.arn
  batch_size                         = var.greeting == "hello" ? 1 : 20
  maximum_batching_window_in_seconds = 1
  function_response_types            = ["ReportBatchItemFailures"]
  filter_criteria {
    filter { pattern = jsonencode({ body = { greeting = [var.greeting] } }) }
  }
  scaling_config { maximum_concurrency = 2 }
  tags = { team = var.greeting }
}
resource "aws_lambda_permission" "permission" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function.function_name
  principal     = "events.amazonaws.com"
  source_arn    = "arn:aws:events:us-east-1:${data.aws_caller_identity.me.account_id}:rule/tick"
}
resource "aws_lambda_function_url" "url" {
  function_name      = aws_lambda_function.function.function_name
  authorization_type = "AWS_IAM"
  cors {
    allow_origins = ["https://${var.greeting}.example"]
  }
}
resource "aws_lambda_function_event_invoke_config" "async" {
  function_name          = aws_lambda_function.function.function_name
  maximum_retry_attempts = var.greeting == "hello" ? 1 : 0
}
output "arn" { value = aws_lambda_alias.live.arn }
