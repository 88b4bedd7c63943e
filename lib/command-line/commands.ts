import type { Command } from './command.js';
import { cat } from './commands/cat.js';
import { cp } from './commands/cp.js';
import { doctor } from './commands/doctor.js';
import { get } from './commands/get.js';
import { ls } from './commands/ls.js';
import { mv } from './commands/mv.js';
import { put } from './commands/put.js';
import { rm } from './commands/rm.js';
import { sign } from './commands/sign.js';
import { stat } from './commands/stat.js';
import { sweep } from './commands/sweep.js';
import { sync } from './commands/sync.js';
import { verify } from './commands/verify.js';

/** By name, in the order in which they are told. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  ls,
  stat,
  cat,
  put,
  get,
  cp,
  mv,
  rm,
  sync,
  verify,
  sweep,
  sign,
  doctor,
};
