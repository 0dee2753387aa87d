import { failed, fine, warned, type Finding } from '#contracts';

const HOUR_MS = 3_600_000;
/** Certificates of `up` live a day and are made anew at half of it. */
const SOON_MS = 6 * HOUR_MS;
/** As for hosts: a clock further off makes reports count as old. */
const CLOCK_MS = 30_000;

/** What TLS said of a certificate; `trouble` is absent where it is believed. */
interface Shown {
  readonly trouble?: string;
  readonly notAfter: Date;
}

/** Whether the certificate is of the CA that is known here, and for how long. Pure. */
export function certificateFinding({ trouble, notAfter }: Shown, nowMs: number): Finding {
  const check = 'certificate';
  const until = Number.isNaN(notAfter.getTime()) ? 'an unknown time' : notAfter.toISOString();
  if (notAfter.getTime() <= nowMs)
    return failed(
      check,
      `the control plane's certificate has expired at ${until}, or the clock here is ahead`,
      'restart `hostward up`, which makes it anew; else your own renewal; compare the clocks',
    );
  if (trouble !== undefined)
    return failed(
      check,
      `the control plane's certificate is not believed: ${trouble}`,
      'if its CA was replaced: hostward ca trust; else compare the fingerprint: hostward context list, HOSTWARD_CA',
    );
  if (notAfter.getTime() - nowMs < SOON_MS)
    return warned(
      check,
      `it expires at ${until}, and was not renewed`,
      'see the log of `hostward up`, or your own renewal',
    );
  return fine(check, `it is believed, and counts until ${until}`);
}

/** Whether the clock here is that of the control plane. `date` is its header. Pure. */
export function clockFinding(date: string | undefined, nowMs: number): Finding {
  const check = 'clock';
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs))
    return warned(check, 'the control plane does not tell its time', 'compare the clocks by hand');
  const seconds = Math.round((nowMs - theirs) / 1_000);
  if (Math.abs(seconds) * 1_000 <= CLOCK_MS) return fine(check, "it is the control plane's");
  return failed(
    check,
    `this clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the control plane's`,
    'timedatectl set-ntp true on both machines',
  );
}
