import type { FunctionRecord } from "../../ports/function-catalog.ts";

/** The function without what was asked for of one of its versions or aliases. */
export function withoutProvisioned(record: FunctionRecord, qualifier: string): FunctionRecord {
  if (record.provisioned?.[qualifier] === undefined) return record;
  const { [qualifier]: _gone, ...provisioned } = record.provisioned;
  return { ...record, provisioned };
}

/** Of all versions and aliases of a function together. @param except one of them. */
export function provisionedSum({ provisioned = {} }: FunctionRecord, except?: string): number {
  const others = Object.entries(provisioned).filter(([qualifier]) => qualifier !== except);
  return others.reduce((sum, [, { count }]) => sum + count, 0);
}
