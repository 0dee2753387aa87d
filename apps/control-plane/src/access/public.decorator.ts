import { Reflector } from '@nestjs/core';

/** Marks a route that anyone may call; every other route needs the admin's bearer token. */
export const Public = Reflector.createDecorator<string>();
