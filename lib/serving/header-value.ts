/** The text, if a header can hold it: what is stored with a file may come from others than this library. */
export function headerValue(text: string | undefined): string | undefined {
  return text !== undefined && /^[\t\x20-\x7E\x80-\xFF]+$/.test(text) ? text : undefined;
}
