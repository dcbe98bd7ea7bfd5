import type { FunctionCatalog, FunctionDescription } from "../../ports/function-catalog.ts";
import type { RouteRequest } from "../http-server.ts";
import {
  type FunctionTarget,
  functionMissing,
  NAME_LENGTH_MAX,
  NAMESPACED_NAME_LENGTH_MAX,
  requireUnqualified,
  targetOf,
} from "./function-name.ts";
import { arnOf } from "./granted.ts";

/** A function that is there. */
export type RequestedFunction = {
  readonly name: string;
  /** Unqualified. */
  readonly arn: string;
};

/** What requests say of the function that they are about. */
export class FunctionRequests {
  readonly #catalog: FunctionCatalog;
  readonly #region: string;

  constructor(catalog: FunctionCatalog, region: string) {
    this.#catalog = catalog;
    this.#region = region;
  }

  /** Of a function to be created or changed. @throws LambdaError. */
  target(request: RouteRequest, name = request.params["FunctionName"] ?? ""): FunctionTarget {
    return this.#read(request, name, NAME_LENGTH_MAX);
  }

  /**
   * The function itself, for operations that are not on its versions. @throws LambdaError.
   * @param missedAs qualifier that the error shows when there is no such function.
   */
  unqualified(request: RouteRequest, missedAs?: string): RequestedFunction {
    const target = this.target(request);
    requireUnqualified(target);
    const { name } = target;
    const found = this.#catalog.get(request.principal.accountId, name);
    if (found === undefined) throw functionMissing(this.arn(request, name), missedAs);
    return { name, arn: found.arn };
  }

  /** A function, version or alias to be read. @throws LambdaError. */
  readable(request: RouteRequest): FunctionTarget {
    return this.#read(request, request.params["FunctionName"] ?? "", NAMESPACED_NAME_LENGTH_MAX);
  }

  /** What a target names. @throws LambdaError ResourceNotFoundException. */
  require(request: RouteRequest, { name, qualifier }: FunctionTarget): FunctionDescription {
    const description = this.#catalog.get(request.principal.accountId, name, qualifier);
    if (description === undefined) throw functionMissing(this.arn(request, name), qualifier);
    return description;
  }

  /** Unqualified. */
  arn({ principal }: RouteRequest, name: string): string {
    return arnOf(this.#region, principal.accountId, name);
  }

  #read({ principal, query }: RouteRequest, name: string, lengthMax: number): FunctionTarget {
    const owner = { accountId: principal.accountId, region: this.#region };
    return targetOf(name, query.get("Qualifier"), owner, lengthMax);
  }
}
