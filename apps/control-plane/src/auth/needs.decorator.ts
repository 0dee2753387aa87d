import { applyDecorators } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExtension } from '@nestjs/swagger';
import type { Permission } from './permission.js';

/** What of the fleet the parameter `name` of a route names: outside the caller's scope nobody hears of it. */
export type ScopedKind = 'node' | 'policy' | 'group';

/** What a route needs: one of these permissions. */
export interface Need {
  readonly permissions: readonly Permission[];
  readonly names?: ScopedKind;
}

/** Where the guard finds what a route needs. */
export const NeedMark = Reflector.createDecorator<Need>();

const MARK = 'needsCaller';

/** Whether a route is for callers whom we know alone, as its configuration in Fastify says. */
export function needsCaller(config: object | undefined): boolean {
  return config !== undefined && MARK in config;
}

/** Declares the permission that a route needs, any one of several; a route without one is refused to everybody. */
export function Needs(...permissions: readonly Permission[]): MethodDecorator {
  return declare({ permissions });
}

/** As `Needs` for reading one thing of the fleet by its name. */
export function NeedsToRead(names: ScopedKind): MethodDecorator {
  return declare({ permissions: ['fleet:read'], names });
}

/** As `Needs` for changing one thing of the fleet by its name. */
export function NeedsToWrite(names: ScopedKind, permission: Permission): MethodDecorator {
  return declare({ permissions: [permission], names });
}

function declare(need: Need): MethodDecorator {
  // Also in the OpenAPI document, so that a test can walk it and callers can read it.
  return applyDecorators(
    NeedMark(need),
    RouteConfig({ [MARK]: true }),
    ApiExtension('x-hostward-needs', need.permissions),
  );
}
