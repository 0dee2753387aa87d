/** Version of this program, told to the sensor and in reports; package.json's. */
export const VERSION = '0.1.0';
