import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bindMount, bindMountReadOnly, mountFileSystem, shareMount, unmount } from "../../host/mount.ts";
import type { OciBind } from "../../host/oci/oci-config.ts";
import { isPythonRuntime, type PythonRuntime, type RuntimeName } from "../../model/runtime.ts";
import type { TmpVolumes } from "./tmp-volume.ts";

/** Bundles, runtime state and mount points: some ten KiB per container. */
const MOUNT_DIR_SIZE_MIB = 64;

export type MountSources = {
  readonly baseImageDir: string;
  readonly runtimesDir: string;
  readonly nodeBinaries: Readonly<Partial<Record<RuntimeName, string>>>;
  /** Folders that may appear later: a home is made when the first function wants it. */
  readonly pythonHomes: Readonly<Partial<Record<RuntimeName, string>>>;
  readonly nameservers: readonly string[];
};

/** Of every container; the name of its own address follows. */
const HOSTS = "127.0.0.1 localhost hearth\n::1 localhost\n";

/** Where the container finds what the agent mounted for it. */
const RUNTIME_DIR = "/var/runtime";
const NODE_PATH = "/var/lang/bin/node";
const PYTHON_HOME = "/var/lang";
export const CONTAINER_PATHS = {
  task: "/var/task",
  opt: "/opt",
  tmp: "/tmp",
  runtimes: RUNTIME_DIR,
  node: NODE_PATH,
  pythonHome: PYTHON_HOME,
} as const;

/**
 * The agent's part of the file tree: a memory file system in its own mount namespace, in which
 * everything stands that containers mount. A container in a user namespace must be able to walk
 * to its sources, which may lie in somebody's closed home folder: so they are bound in here.
 *
 * The tree is a *shared* mount and containers hold copies that follow it: code that is mounted
 * into a container's folder here appears in the running container. The mount namespace dies with
 * the agent, and all of this with it.
 */
export class InstanceMounts {
  readonly #root: string;
  readonly #pythonHomes: MountSources["pythonHomes"];
  readonly #tmpVolumes: TmpVolumes;

  /** @throws Error naming what could not be mounted. */
  constructor(root: string, sources: MountSources, tmpVolumes: TmpVolumes) {
    this.#root = root;
    this.#pythonHomes = sources.pythonHomes;
    this.#tmpVolumes = tmpVolumes;
    mountFileSystem("tmpfs", "hearth", root, `size=${MOUNT_DIR_SIZE_MIB}m,mode=755`);
    shareMount(root);
    for (const folder of ["base", "runtimes", "node", "python", "staging", "state", "containers"])
      mkdirSync(join(root, folder));
    bindMountReadOnly(sources.baseImageDir, this.baseDir);
    bindMountReadOnly(sources.runtimesDir, join(root, "runtimes"));
    for (const [runtime, binary] of Object.entries(sources.nodeBinaries)) this.#bindNode(runtime, binary);
    const lines = sources.nameservers.map((server) => `nameserver ${server}\n`);
    writeFileSync(this.#resolvConf, lines.join(""), { mode: 0o644 });
  }

  get baseDir(): string {
    return join(this.#root, "base");
  }

  /** What the container sees as /opt. */
  optDir(containerId: string): string {
    return join(this.containerDir(containerId), "opt");
  }

  /** Where the OCI runtime keeps its records. */
  get stateDir(): string {
    return join(this.#root, "state");
  }

  containerDir(containerId: string): string {
    return join(this.#root, "containers", containerId);
  }

  /** Makes the folders of a container, with its /tmp. @param loopback its own address. @returns its bundle's folder. */
  open(containerId: string, tmpSizeMiB: number, loopback: string): string {
    const directory = this.containerDir(containerId);
    mkdirSync(directory);
    // The loader forgets folders of LD_LIBRARY_PATH that are not there when the runtime starts, before it has a function.
    for (const folder of this.#libraryFolders(containerId)) mkdirSync(folder, { recursive: true });
    mkdirSync(join(directory, "tmp"));
    writeFileSync(join(directory, "hosts"), `${HOSTS}${loopback} sandbox.localdomain sandbox\n`, { mode: 0o644 });
    this.#tmpVolumes.mount(join(directory, "tmp"), tmpSizeMiB);
    return directory;
  }

  /** Its runtime has started: nobody sees anything where a function's code and layers will be. */
  started(containerId: string): void {
    for (const folder of this.#libraryFolders(containerId)) rmdirSync(folder);
  }

  #libraryFolders(containerId: string): string[] {
    return [join(this.containerDir(containerId), "task", "lib"), join(this.optDir(containerId), "lib")];
  }

  /** What a container of this runtime sees beside its root. @throws Error when its interpreter is not there. */
  binds(containerId: string, runtime: RuntimeName): OciBind[] {
    const directory = this.containerDir(containerId);
    return [
      { source: join(directory, "task"), target: CONTAINER_PATHS.task, isPropagated: true },
      { source: this.optDir(containerId), target: CONTAINER_PATHS.opt, isPropagated: true },
      { source: join(directory, "tmp"), target: CONTAINER_PATHS.tmp, isPropagated: true },
      { source: join(this.#root, "runtimes"), target: RUNTIME_DIR },
      { source: this.#resolvConf, target: "/etc/resolv.conf" },
      { source: join(directory, "hosts"), target: "/etc/hosts" },
      ...this.#interpreter(runtime),
    ];
  }

  /** The code appears at the container's task folder. */
  showCode(containerId: string, codeDir: string): void {
    this.#show(codeDir, join(this.containerDir(containerId), "task"));
  }

  /** What all containers have at /opt that have no layers; undefined: nothing. */
  commonOptDir(): string | undefined {
    const directory = join(this.baseDir, "opt");
    return readdirSync(directory).length === 0 ? undefined : directory;
  }

  /** The layers, laid over each other, appear at the container's /opt. */
  showLayers(containerId: string, layersDir: string): void {
    this.#show(layersDir, this.optDir(containerId));
  }

  /** A new empty /tmp covers the one so far. */
  resizeTmp(containerId: string, sizeMiB: number): void {
    this.#tmpVolumes.mount(join(this.containerDir(containerId), "tmp"), sizeMiB);
  }

  /** The container is dead by then. */
  close(containerId: string): void {
    const directory = this.containerDir(containerId);
    for (const folder of ["task", "opt", "tmp"]) while (unmount(join(directory, folder)));
    rmSync(directory, { recursive: true, force: true });
    rmSync(join(this.stateDir, containerId), { recursive: true, force: true });
  }

  /** Bound twice, because flags do not follow a mount once it is out. */
  #show(source: string, target: string): void {
    const staging = join(this.#root, "staging");
    bindMountReadOnly(source, staging);
    try {
      bindMount(staging, target);
    } finally {
      unmount(staging);
    }
  }

  get #resolvConf(): string {
    return join(this.#root, "resolv.conf");
  }

  #interpreter(runtime: RuntimeName): OciBind[] {
    if (isPythonRuntime(runtime)) return [{ source: this.#pythonHome(runtime), target: PYTHON_HOME }];
    return runtime === "provided.al2023" ? [] : [{ source: join(this.#root, "node", runtime), target: NODE_PATH }];
  }

  #pythonHome(runtime: PythonRuntime): string {
    const [source, target] = [this.#pythonHomes[runtime], join(this.#root, "python", runtime)];
    if (existsSync(target)) return target;
    if (source === undefined || !existsSync(source)) throw new Error(`no interpreter for ${runtime} on this host`);
    mkdirSync(target);
    bindMountReadOnly(source, target);
    return target;
  }

  #bindNode(runtime: string, binary: string): void {
    const target = join(this.#root, "node", runtime);
    closeSync(openSync(target, "wx"));
    bindMountReadOnly(binary, target);
  }
}
