/** The obsolete forms of dates that a recipient must still read, RFC 9110 §5.6.7. */
export function asctime(date: Date): string {
  const [day, number, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${number!.replace(/^0/, ' ')} ${time} ${year}`;
}

export function rfc850(date: Date): string {
  const [, number, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  const weekday = date.toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' });
  return `${weekday}, ${number}-${month}-${year!.slice(2)} ${time} GMT`;
}
