import type { INestApplicationContext } from '@nestjs/common';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer, Reflector } from '@nestjs/core';
import { NeedMark } from './needs.decorator.js';
import { PublicMark } from './public.decorator.js';

/** Throws unless every route declares a permission or that it is open: such a control plane does not start. */
export function checkRoutes(app: INestApplicationContext): void {
  const reflector = app.get(Reflector);
  for (const module of app.get(ModulesContainer).values()) {
    for (const { metatype } of module.controllers.values()) {
      const bare = typeof metatype === 'function' ? undeclared(metatype, reflector) : [];
      if (bare.length > 0)
        throw new Error(
          `${metatype?.name}.${bare.join(', ')} declares no permission (@Needs, @Public)`,
        );
    }
  }
}

/** Names of the routes of a controller that declare nothing. */
export function undeclared(controller: object, reflector: Reflector): readonly string[] {
  const prototype: unknown = Reflect.get(controller, 'prototype');
  if (typeof prototype !== 'object' || prototype === null) return [];
  return Object.getOwnPropertyNames(prototype).filter((name) => {
    const route: unknown = Reflect.getOwnPropertyDescriptor(prototype, name)?.value;
    if (!isRoute(route)) return false;
    return [NeedMark, PublicMark].every((mark) => reflector.get(mark, route) === undefined);
  });
}

function isRoute(value: unknown): value is () => unknown {
  return typeof value === 'function' && Reflect.hasMetadata(METHOD_METADATA, value);
}
