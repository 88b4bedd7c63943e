import { resolve } from 'node:path';

const { STORAGE_ROOT, MAX_SIZE = '2gb', PORT = '3000', PASSWORD, LINK_SECRET } = process.env;

export const config = {
  root: resolve(STORAGE_ROOT || 'var/video'),
  maxSize: MAX_SIZE,
  port: Number(PORT),
  /** Of the owner. Without one, the app is for this machine only. */
  password: PASSWORD || undefined,
  /** Without a secret, links end with the process. */
  signing: LINK_SECRET ? { signingKeys: [{ id: 'one', secret: LINK_SECRET }] } : {},
};
