import { registerDecorator } from 'class-validator';

/** Validates that a text holds no lone surrogate: the journal could not hash it, and no document could be signed with it. */
export function WellFormedField(): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name: 'isWellFormed',
      target: target.constructor,
      propertyName: String(property),
      options: { message: `${String(property)} must be well-formed text, without lone surrogates` },
      validator: { validate: isWellFormed },
    });
  };
}

function isWellFormed(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed();
}
