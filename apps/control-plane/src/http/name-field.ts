import { registerDecorator } from 'class-validator';
import { isName } from './names.js';

/** Validates that a field is a name (DNS subdomain). */
export function NameField(): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name: 'isName',
      target: target.constructor,
      propertyName: String(property),
      options: {
        message: `${String(property)} must be a name: lower-case letters, digits, "-" and "."`,
      },
      validator: { validate: isName },
    });
  };
}
