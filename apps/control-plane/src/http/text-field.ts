import { registerDecorator } from 'class-validator';

/**
 * Validates a text that is stored: of one character to so many, counted as who reads it back counts (`text` of shape.ts), and
 * without lone surrogates, of which the audit log makes no hash and no document can be signed.
 */
export function TextField(most: number): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name: 'isText',
      target: target.constructor,
      propertyName: String(property),
      options: {
        message: `${String(property)} must be text of 1 to ${most} characters (UTF-16), without lone surrogates`,
      },
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' &&
          value.length > 0 &&
          value.length <= most &&
          value.isWellFormed(),
      },
    });
  };
}
