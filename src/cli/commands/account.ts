import type { AccountSummary } from "../../ports/admin.ts";
import type { CliCommand, ServerFlags } from "../cli-command.ts";
import { type CliContext, serverOf } from "../cli-context.ts";
import { addAccountSet, addAccountShow } from "./account-capacity.ts";

const ACCOUNTS = "/_hearth/accounts";

type AccessKeyAnswer = { readonly accessKeyId: string; readonly secretAccessKey: string };

const HELP_AFTER = `
Examples:
  $ hearth account create "team a"
  $ hearth account key 123456789012               makes an access key; its secret is shown once
  $ hearth account list
  $ hearth account show 123456789012              which capacity serves it, and who changed that
  $ hearth account set 123456789012 --class variable --max-price 0.03`;

export function addAccountCommand(program: CliCommand, context: CliContext): void {
  const account = program
    .command("account")
    .description("make and list accounts and their access keys, and say which capacity serves them");
  account.addHelpText("after", HELP_AFTER);
  addCreate(account, context);
  addList(account, context);
  addKey(account, context);
  addAccountShow(account, context);
  addAccountSet(account, context);
}

function addCreate(account: CliCommand, context: CliContext): void {
  const { terminal } = context;
  account
    .serverCommand("create", "make an account")
    .argument("NAME", "for people; the account's id is chosen by the server")
    .action(async (name: string, flags: ServerFlags) => {
      const made = await serverOf(context, flags).json<AccountSummary>({
        method: "POST",
        path: ACCOUNTS,
        body: { name },
      });
      if (flags.json) return terminal.printJson(made);
      terminal.print(`created account ${made.accountId} (${made.name})`);
      terminal.note(`\`hearth account key ${made.accountId}\` makes an access key for it`);
    });
}

function addList(account: CliCommand, context: CliContext): void {
  const { terminal } = context;
  account.serverCommand("list", "list the accounts").action(async (flags: ServerFlags) => {
    const server = serverOf(context, flags);
    const { accounts } = await server.json<{ accounts: AccountSummary[] }>({ method: "GET", path: ACCOUNTS });
    if (flags.json) return terminal.printJson(accounts);
    const rows = accounts.map((each) => [each.accountId, each.name, each.accessKeyIds.join(" ")]);
    terminal.printTable(["ACCOUNT", "NAME", "ACCESS KEYS"], rows);
  });
}

function addKey(account: CliCommand, context: CliContext): void {
  const { terminal } = context;
  account
    .serverCommand("key", "make an access key")
    .argument("ACCOUNT", "account id, twelve digits")
    .action(async (accountId: string, flags: ServerFlags) => {
      const path = `${ACCOUNTS}/${encodeURIComponent(accountId)}/keys`;
      const key = await serverOf(context, flags).json<AccessKeyAnswer>({ method: "POST", path });
      if (flags.json) return terminal.printJson(key);
      terminal.print(`export AWS_ACCESS_KEY_ID=${key.accessKeyId}`);
      terminal.print(`export AWS_SECRET_ACCESS_KEY=${key.secretAccessKey}`);
      terminal.note("the secret is not shown again");
    });
}
