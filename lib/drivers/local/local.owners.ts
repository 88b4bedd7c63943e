import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { hostname } from 'node:os';
import { hasCode, lstat, readNames, readText, readlink } from './local.system-calls.js';

/** Files of an owner of whom nothing can be known count as left behind when nobody touched them for so long. */
const UNTOUCHED_NS = 24n * 60n * 60n * 1_000_000_000n;

/**
 * Who owns temporary files and locks: one driver of one process, told in a folder's name, so that there is never a
 * folder without its record. Process ids mean something only within one boot of one machine and one pid namespace;
 * with the start time they name a process for good.
 */
interface Owner {
  readonly host: string;
  readonly boot: string;
  readonly namespace: string;
  readonly pid: number;
  readonly started: string;
}

/** The name of a new owner in this process. */
export async function ownerName(): Promise<string> {
  const { host, boot, namespace, pid, started } = await thisProcess();
  const nonce = randomBytes(8).toString('hex');
  return [encodeURIComponent(host), boot, namespace, pid, started, nonce].join(',');
}

/** Whether the owner cannot come back: its process is gone, or nobody can tell and its folder rests for a day. */
export async function isGone(name: string, folder: string): Promise<boolean> {
  const owner = parseOwner(name);
  const self = await thisProcess();
  const near =
    owner !== undefined &&
    owner.host === self.host &&
    owner.boot === self.boot &&
    owner.namespace === self.namespace;
  return near ? !(await isAlive(owner)) : isUntouched(folder);
}

async function thisProcess(): Promise<Owner> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return {
    host: hostname(),
    boot: ((await readText('/proc/sys/kernel/random/boot_id').catch(() => '')) ?? '').trim(),
    namespace: /\d+/.exec(namespace)?.[0] ?? '',
    pid: process.pid,
    started: await startOf(process.pid),
  };
}

function parseOwner(name: string): Owner | undefined {
  const [host, boot, namespace, pid, started, nonce] = name.split(',');
  if (!host || !pid || !/^\d+$/.test(pid) || nonce === undefined) return undefined;
  return {
    host: decodeURIComponent(host),
    boot: boot ?? '',
    namespace: namespace ?? '',
    pid: Number(pid),
    started: started ?? '',
  };
}

async function isAlive({ pid, started }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if (hasCode(error, 'ESRCH')) return false;
  }
  const start = await startOf(pid);
  return started === '' || start === '' || start === started;
}

/** Ticks from the machine's start to the process's; `''` where the system does not tell. */
async function startOf(pid: number): Promise<string> {
  const line = await readText(`/proc/${pid}/stat`).catch(() => undefined);
  // The second field is the program's name in parentheses, which may hold anything; the start is field 22.
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function isUntouched(folder: string): Promise<boolean> {
  const names = await readNames(folder);
  const paths = [folder, ...names.map((name) => join(folder, name))];
  for (const path of paths) {
    if (!isLongAgo((await lstat(path)).mtimeNs)) return false;
  }
  return true;
}

/** Whether what an owner touched last at that time counts as left behind, when nothing else can be known. */
export function isLongAgo(nanoseconds: bigint): boolean {
  return BigInt(Date.now()) * 1_000_000n - nanoseconds >= UNTOUCHED_NS;
}
