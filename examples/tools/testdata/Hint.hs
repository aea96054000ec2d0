module Main where

main = putStrLn (concat (map show [1, 2, 3]))
