import type { INestApplication } from '@nestjs/common';

/** The smallest GIF there is, transparent: its first bytes are what tells a picture. */
const PICTURE = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

interface Answer {
  readonly status: number;
  readonly key: string;
  readonly link: string;
}

/** Sends a picture, or a text that says it is one. */
export async function upload(app: INestApplication, what: 'picture' | 'text'): Promise<Answer> {
  const content = what === 'picture' ? Buffer.from(PICTURE, 'base64') : 'Hello';
  const body = new FormData();
  body.append('avatar', new Blob([content], { type: 'image/gif' }), 'me.gif');
  const answer = await fetch(`${await app.getUrl()}/avatars`, { method: 'POST', body });
  return { status: answer.status, ...((await answer.json()) as Omit<Answer, 'status'>) };
}
