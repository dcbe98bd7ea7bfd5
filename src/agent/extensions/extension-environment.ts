/** What AWS's documentation ("Configuring extensions") lists as the runtime's alone. */
const RUNTIME_ONLY: readonly string[] = [
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "AWS_XRAY_CONTEXT_MISSING",
  "AWS_XRAY_DAEMON_ADDRESS",
  "LAMBDA_RUNTIME_DIR",
  "LAMBDA_TASK_ROOT",
  "_AWS_XRAY_DAEMON_ADDRESS",
  "_AWS_XRAY_DAEMON_PORT",
  "_HANDLER",
  "_LAMBDA_TELEMETRY_LOG_FD",
];

/** The environment of external extensions: the function's, without what is the runtime's alone. */
export function extensionEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !RUNTIME_ONLY.includes(name)));
}
