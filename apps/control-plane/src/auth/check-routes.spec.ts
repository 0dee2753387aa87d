import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Post } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { undeclared } from './check-routes.js';
import { Needs } from './needs.decorator.js';
import { Public } from './public.decorator.js';

@Controller()
class Some {
  @Get('a')
  @Needs('fleet:read')
  declared(): void {
    this.helper();
  }

  @Get('b')
  @Public('nothing secret')
  open(): void {
    this.helper();
  }

  @Post('c')
  forgotten(): void {
    this.helper();
  }

  helper(): void {
    // No route.
  }
}

describe('the routes of a controller', () => {
  it('are named where they declare neither a permission nor that they are open', () => {
    expect(undeclared(Some, new Reflector())).toEqual(['forgotten']);
  });
});
