/** Who acts, as the journal names it: in this version there is one token, the admin's. */
export const ADMIN = 'admin';

/** What acts by itself: ends of suspensions and exceptions. */
export const SYSTEM = 'hostward';
