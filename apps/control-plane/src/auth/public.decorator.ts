import { applyDecorators } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';

/** Where the guard finds that a route is open, and why. */
export const PublicMark = Reflector.createDecorator<string>();

/** Marks a route that anyone may call, with the reason; every other route needs a permission. */
export function Public(reason: string): MethodDecorator {
  return applyDecorators(PublicMark(reason), ApiExtension('x-hostward-public', reason));
}
