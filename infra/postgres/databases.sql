-- run once, on an empty data folder; the warehouse is POSTGRES_DB itself
CREATE DATABASE mlflow;
CREATE DATABASE prefect;
CREATE DATABASE feast;
