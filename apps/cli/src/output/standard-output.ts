let isNeeded = true;

/** From now on this process goes on where nobody takes what it prints: others depend on that it runs. */
export function goOnUnread(): void {
  isNeeded = false;
}

/** Whether what it prints is what it is for. */
export function endsUnread(): boolean {
  return isNeeded;
}
