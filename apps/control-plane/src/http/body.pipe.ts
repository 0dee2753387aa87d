import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { ProblemError } from './problem.error.js';
import { parseOneValue } from './json-text.js';

/**
 * Bodies arrive as text. A handler that asks for a string gets the text, with its lines, for the policy parser;
 * one that asks for a class gets the one value in it, before the ValidationPipe sees it.
 */
@Injectable()
export class BodyPipe implements PipeTransform {
  transform(value: unknown, metadata: ArgumentMetadata): unknown {
    if (metadata.type !== 'body') return value;
    if (typeof value !== 'string' || value.trim() === '') {
      throw new ProblemError('bad-request', { detail: 'the request needs a body' });
    }
    return metadata.metatype === String ? value : asObject(parseOneValue(value));
  }
}

function asObject(value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new ProblemError('bad-request', { detail: 'the body must be an object' });
}
