-- What a provider of others that delegates its sign-in to us is told of people.
ALTER TABLE client ADD COLUMN delegation TEXT NOT NULL DEFAULT '{}';
