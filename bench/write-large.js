import { LARGE, MEBIBYTE } from './bodies.js';

/** Ends the response with a large body. */
export function writeLarge(response, mebibytes = LARGE) {
  let sent = 0;
  const send = () => {
    while (sent < mebibytes) {
      sent++;
      if (!response.write(MEBIBYTE)) return void response.once('drain', send);
    }
    response.end();
  };
  send();
}
