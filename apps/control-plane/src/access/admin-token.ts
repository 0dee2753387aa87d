/** The admin token's hash, as started with; the token itself is nowhere. */
export class AdminToken {
  constructor(readonly hash: string) {}
}
