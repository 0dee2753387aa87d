import { Module } from '@nestjs/common';
import { JournalController } from './journal.controller.js';

/** Who did what. */
@Module({ controllers: [JournalController] })
export class JournalModule {}
